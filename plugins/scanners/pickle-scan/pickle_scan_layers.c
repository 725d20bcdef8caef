/* SPDX-License-Identifier: MIT
 *
 * The layers of torch, as torch 1.13 and 2.13 have them: classes that hold
 * what they are given.
 */
#include <string.h>

#include "pickle_scan_names.h"

/* Modules below torch.nn.modules, and their classes between blanks. */
static const struct {
    const char *module, *classes;
} layers[] = {
    {"activation",
     " CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh "
     "LeakyReLU LogSigmoid LogSoftmax Mish MultiheadAttention "
     "PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax Softmax2d "
     "Softmin Softplus Softshrink Softsign Tanh Tanhshrink "
     "Threshold "},
    {"adaptive", " AdaptiveLogSoftmaxWithLoss "},
    {"batchnorm", " BatchNorm1d BatchNorm2d BatchNorm3d LazyBatchNorm1d "
                  "LazyBatchNorm2d LazyBatchNorm3d SyncBatchNorm "},
    {"channelshuffle", " ChannelShuffle "},
    {"container",
     " Container ModuleDict ModuleList ParameterDict ParameterList "
     "Sequential "},
    {"conv", " Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d "
             "ConvTranspose3d LazyConv1d LazyConv2d LazyConv3d "
             "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d "},
    {"distance", " CosineSimilarity PairwiseDistance "},
    {"dropout", " AlphaDropout Dropout Dropout1d Dropout2d Dropout3d "
                "FeatureAlphaDropout "},
    {"flatten", " Flatten Unflatten "},
    {"fold", " Fold Unfold "},
    {"instancenorm",
     " InstanceNorm1d InstanceNorm2d InstanceNorm3d "
     "LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d "},
    {"linear", " Bilinear Identity LazyLinear Linear "
               "NonDynamicallyQuantizableLinear "},
    {"loss", " BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss "
             "CrossEntropyLoss GaussianNLLLoss HingeEmbeddingLoss "
             "HuberLoss KLDivLoss L1Loss LinearCrossEntropyLoss MSELoss "
             "MarginRankingLoss MultiLabelMarginLoss "
             "MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss NLLLoss2d "
             "PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss "
             "TripletMarginWithDistanceLoss "},
    {"module", " Module "},
    {"normalization",
     " CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm "},
    {"padding", " CircularPad1d CircularPad2d CircularPad3d ConstantPad1d "
                "ConstantPad2d ConstantPad3d ReflectionPad1d ReflectionPad2d "
                "ReflectionPad3d ReplicationPad1d ReplicationPad2d "
                "ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d "},
    {"pixelshuffle", " PixelShuffle PixelUnshuffle "},
    {"pooling", " AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d "
                "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d "
                "AvgPool1d AvgPool2d AvgPool3d FractionalMaxPool2d "
                "FractionalMaxPool3d LPPool1d LPPool2d LPPool3d MaxPool1d "
                "MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d "},
    {"rnn", " GRU GRUCell LSTM LSTMCell RNN RNNBase RNNCell RNNCellBase "},
    {"sparse", " Embedding EmbeddingBag "},
    {"transformer", " Transformer TransformerDecoder TransformerDecoderLayer "
                    "TransformerEncoder TransformerEncoderLayer "},
    {"upsampling", " Upsample UpsamplingBilinear2d UpsamplingNearest2d "},
};

bool
pickle_scan_is_layer(const char *module, const char *name)
{
    static const char root[] = "torch.nn.modules.";
    size_t i, size = strlen(name);
    const char *found;

    if (strncmp(module, root, sizeof root - 1) != 0 || size == 0)
        return false;
    module += sizeof root - 1;
    for (i = 0; i < sizeof layers / sizeof *layers; i++) {
        if (strcmp(module, layers[i].module) != 0)
            continue;
        found = layers[i].classes;
        while ((found = strstr(found + 1, name)) != NULL)
            if (found[-1] == ' ' && found[size] == ' ' &&
                strchr(name, ' ') == NULL)
                return true;
    }
    return false;
}
