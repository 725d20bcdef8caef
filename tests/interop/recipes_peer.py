# SPDX-License-Identifier: MIT
"""recipes_peer.py make FOLDER: for each recipe a checkpoint with the names of
old, NAME.pt; prints the names.
recipes_peer.py load FOLDER: loads each NAME.out.pt into a fresh model and
compares every tensor with what the old one had; prints NAME: fine."""
import collections
import pathlib
import re
import sys
import warnings

import torch
from torch import nn
from torch.optim import swa_utils

warnings.filterwarnings("ignore")
CASES = {}


def case(make):
    """A function that gives (checkpoint, fresh model, what it must become)."""
    CASES[make.__name__.replace("_", "-")] = make
    return make


def filled(net):
    """Its buffers and parameters told apart by their values."""
    with torch.no_grad():
        for i, tensor in enumerate(net.state_dict().values()):
            tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) + i)
    return net


def renamed(state, *pairs):
    new = collections.OrderedDict()
    for key, tensor in state.items():
        for pattern, template in pairs:
            key = re.sub(pattern, template, key)
        new[key] = tensor
    return new


@case
def torchvision_densenet():
    import torchvision
    net = filled(torchvision.models.DenseNet(4, (2, 3, 2), 8, num_classes=3))
    old = renamed(net.state_dict(),
                  (r"(denselayer\d+\.(?:norm|relu|conv))(\d)", r"\1.\2"))
    old = {key: tensor for key, tensor in old.items()
           if "num_batches_tracked" not in key}
    wanted = {key: tensor for key, tensor in net.state_dict().items()
              if "num_batches_tracked" not in key}
    return (old, torchvision.models.DenseNet(4, (2, 3, 2), 8, num_classes=3),
            wanted)


@case
def torchvision_densenet121():
    import torchvision
    net = torchvision.models.densenet121().half()
    old = renamed(net.state_dict(),
                  (r"(denselayer\d+\.(?:norm|relu|conv))(\d)", r"\1.\2"))
    return old, torchvision.models.densenet121().half(), net.state_dict()


class Scaled(nn.Module):
    """With a gamma that is no layer norm's."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)
        self.LayerNorm = nn.LayerNorm(4)
        self.gamma = nn.Parameter(torch.ones(4))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleDict({"word_embeddings": nn.Embedding(6, 4),
                                         "LayerNorm": nn.LayerNorm(4)})
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(
            [Scaled(), Scaled()])})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(4, 4)})


class Headed(nn.Module):
    def __init__(self):
        super().__init__()
        self.bert = Bert()
        self.classifier = nn.Linear(4, 2)


@case
def gamma_beta():
    net = filled(Headed())
    return (renamed(net.state_dict(),
                    (r"LayerNorm\.weight$", "LayerNorm.gamma"),
                    (r"LayerNorm\.bias$", "LayerNorm.beta")),
            Headed(), net.state_dict())


@case
def huggingface_base():
    net = filled(Headed())
    return net.state_dict(), Bert(), net.bert.state_dict()


@case
def huggingface_base_wrapped():
    net = filled(Headed())
    return ({"epoch": 3, "model_state_dict": nn.DataParallel(net).state_dict()},
            Bert(), net.bert.state_dict())


def normed(new):
    net = nn.Sequential(nn.Conv1d(2, 3, 2), nn.ReLU(), nn.Linear(3, 2))
    for i in (0, 2):
        if new:
            nn.utils.parametrizations.weight_norm(net[i])
        else:
            nn.utils.weight_norm(net[i])
    return net


def normed_names(state):
    """From the old ones to the new ones."""
    return renamed(state, (r"weight_g$", "parametrizations.weight.original0"),
                   (r"weight_v$", "parametrizations.weight.original1"))


@case
def weight_norm():
    if not hasattr(nn.utils.parametrizations, "weight_norm"):
        raise ImportError("torch has no parametrizations.weight_norm")
    net = filled(normed(new=False))
    return net.state_dict(), normed(new=True), normed_names(net.state_dict())


@case
def weight_norm_old():
    net = filled(normed(new=False))
    return normed_names(net.state_dict()), normed(new=False), net.state_dict()


class Roberta(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.ModuleDict({"self_attn": nn.ModuleDict(
            {"q_proj": nn.Linear(4, 4)}), "final_layer_norm": nn.LayerNorm(4)})
        self.encoder = nn.ModuleDict({
            "sentence_encoder": nn.ModuleDict({
                "embed_tokens": nn.Embedding(6, 4),
                "layernorm_embedding": nn.LayerNorm(4),
                "layers": nn.ModuleList([layer])}),
            "lm_head": nn.ModuleDict({"dense": nn.Linear(4, 4)})})


@case
def fairseq_roberta():
    net = filled(Roberta())
    old = renamed(net.state_dict(), (r"^encoder\.", "decoder."),
                  ("layernorm_embedding", "emb_layer_norm"))
    return ({"args": {"arch": "roberta_base"}, "model": old,
             "optimizer_history": [{"num_updates": 5}], "extra_state": {}},
            Roberta(), net.state_dict())


@case
def fairseq_roberta_later():
    net = filled(Roberta())
    old = renamed(net.state_dict(), ("layernorm_embedding", "emb_layer_norm"))
    return {"cfg": None, "model": old}, Roberta(), net.state_dict()


def small():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


@case
def timm():
    net, averaged = filled(small()), small()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    return ({"epoch": 3, "arch": "small",
             "state_dict": nn.DataParallel(averaged).state_dict(),
             "optimizer": optimizer.state_dict(), "version": 2,
             "state_dict_ema": nn.DataParallel(net).state_dict()},
            small(), net.state_dict())


@case
def timm_plain():
    net = filled(small())
    return {"model": net.state_dict(), "epoch": 1}, small(), net.state_dict()


@case
def lightning():
    net = filled(small())
    state = renamed(net.state_dict(), ("^", "model."))
    state["criterion.weight"] = torch.ones(4)
    return ({"epoch": 3, "global_step": 12, "state_dict": state,
             "pytorch-lightning_version": "1.9.0", "callbacks": {}},
            small(), net.state_dict())


@case
def lightning_compiled():
    net = filled(small())
    return ({"state_dict": renamed(net.state_dict(),
                                   ("^", "net._orig_mod."))},
            small(), net.state_dict())


@case
def averaged_model():
    net = filled(small())
    averaged = swa_utils.AveragedModel(net)
    return averaged.state_dict(), small(), net.state_dict()


@case
def averaged_model_beside():
    net = filled(small())
    return ({"model": swa_utils.AveragedModel(net).state_dict(), "step": 3},
            small(), net.state_dict())


def made(name):
    torch.manual_seed(0)
    return CASES[name]()


def make(folder):
    for name in CASES:
        try:
            torch.save(made(name)[0], folder / f"{name}.pt")
            print(name)
        except ImportError:
            continue


def load(folder):
    for path in sorted(folder.glob("*.out.pt")):
        name = path.name[:-len(".out.pt")]
        state = torch.load(path)
        _, net, wanted = made(name)
        lacking = {key for key in net.state_dict()
                   if key.endswith("num_batches_tracked")} - set(state)
        done = net.load_state_dict(state, strict=False)
        assert not done.unexpected_keys, (name, done)
        assert set(done.missing_keys) <= lacking, (name, done)
        assert list(state) == list(wanted), name
        for key, tensor in wanted.items():
            assert torch.equal(state[key], tensor), (name, key)
            assert state[key].dtype == tensor.dtype, (name, key)
            assert state[key].stride() == tensor.stride(), (name, key)
        print(f"{name}: fine")


if __name__ == "__main__":
    {"make": make, "load": load}[sys.argv[1]](pathlib.Path(sys.argv[2]))
