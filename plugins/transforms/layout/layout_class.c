/* SPDX-License-Identifier: MIT
 *
 * The classes of layers of Keras that hold weights.
 */
#include "layout.h"

#include <string.h>

#define NONE_LIKE "torch has no such layer"

static const struct layout_class classes[] = {
    {"Dense", "dense", LAYOUT_DENSE, 2, NULL},
    {"Conv1D", "conv1d", LAYOUT_CONV, 3, NULL},
    {"Conv2D", "conv2d", LAYOUT_CONV, 4, NULL},
    {"Conv3D", "conv3d", LAYOUT_CONV, 5, NULL},
    {"Conv1DTranspose", "conv1d_transpose", LAYOUT_CONV, 3, NULL},
    {"Conv2DTranspose", "conv2d_transpose", LAYOUT_CONV, 4, NULL},
    {"Conv3DTranspose", "conv3d_transpose", LAYOUT_CONV, 5, NULL},
    {"DepthwiseConv1D", "depthwise_conv1d", LAYOUT_DEPTHWISE, 3, NULL},
    {"DepthwiseConv2D", "depthwise_conv2d", LAYOUT_DEPTHWISE, 4, NULL},
    {"SeparableConv1D", "separable_conv1d", LAYOUT_SEPARABLE, 3, NULL},
    {"SeparableConv2D", "separable_conv2d", LAYOUT_SEPARABLE, 4, NULL},
    {"BatchNormalization", "batch_normalization", LAYOUT_BATCH, 1, NULL},
    {"LayerNormalization", "layer_normalization", LAYOUT_NORM, 0, NULL},
    {"GroupNormalization", "group_normalization", LAYOUT_NORM, 1, NULL},
    {"RMSNormalization", "rms_normalization", LAYOUT_NORM, 1, NULL},
    {"Embedding", "embedding", LAYOUT_EMBEDDING, 2, NULL},
    {"LSTM", "lstm", LAYOUT_LSTM, 2, NULL},
    {"GRU", "gru", LAYOUT_GRU, 2, NULL},
    {"SimpleRNN", "simple_rnn", LAYOUT_RNN, 2, NULL},
    {"PReLU", "p_re_lu", LAYOUT_PRELU, 0, NULL},
    {"MultiHeadAttention", "multi_head_attention", LAYOUT_ATTENTION, 0, NULL},
    {"Bidirectional", "bidirectional", LAYOUT_BOTH, 0, NULL},
    {"EinsumDense", "einsum_dense", LAYOUT_REFUSED, 0,
     "its equation is not among the weights"},
    {"ConvLSTM1D", "conv_lstm1d", LAYOUT_REFUSED, 0, NONE_LIKE},
    {"ConvLSTM2D", "conv_lstm2d", LAYOUT_REFUSED, 0, NONE_LIKE},
    {"ConvLSTM3D", "conv_lstm3d", LAYOUT_REFUSED, 0, NONE_LIKE},
    {"GroupQueryAttention", "group_query_attention", LAYOUT_REFUSED, 0,
     NONE_LIKE},
    {"SpectralNormalization", "spectral_normalization", LAYOUT_REFUSED, 0,
     "its vector has no place in torch"},
    {"CuDNNLSTM", "cu_dnnlstm", LAYOUT_REFUSED, 0,
     "load it into an LSTM of Keras first"},
    {"CuDNNGRU", "cu_dnngru", LAYOUT_REFUSED, 0,
     "load it into a GRU of Keras first"},
};

#define CLASS_COUNT (sizeof classes / sizeof *classes)

/* Whether `_` and digits are all that is left. */
static bool
is_counter(const char *text, size_t length)
{
    size_t i;

    if (length == 0)
        return true;
    for (i = 1; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return text[0] == '_' && length > 1;
}

const struct layout_class *
layout_class_find(const char *text, size_t length, bool counted)
{
    const struct layout_class *class;
    size_t i, bytes;

    for (i = 0; i < CLASS_COUNT; i++) {
        class = &classes[i];
        bytes = strlen(class->snake);
        if (bytes <= length && memcmp(class->snake, text, bytes) == 0 &&
            (bytes == length ||
             (counted && is_counter(text + bytes, length - bytes))))
            return class;
        if (strlen(class->name) == length &&
            memcmp(class->name, text, length) == 0)
            return class;
    }
    return NULL;
}

const struct layout_class *
layout_class_of(uint32_t kind, uint32_t rank)
{
    size_t i;

    for (i = 0; i < CLASS_COUNT; i++)
        if (classes[i].kind == kind &&
            (classes[i].rank == 0 || rank == 0 || classes[i].rank == rank))
            return &classes[i];
    return NULL;
}
