"""A network run by OpenVINO: the fastest way on a processor, as an option (`pip install "craterlab[openvino]"`)."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from .errors import CraterlabError
from .nn.zoo import Model


def with_openvino(model: Model, precision: torch.dtype) -> Model:
    """The same model, its network compiled by OpenVINO for as many threads as torch has.

    Parameters
    ----------
    model : Model
        On the processor.
    precision : torch.dtype
        Of the convolutions; what comes before the first of them stays float32.

    Raises
    ------
    CraterlabError
        OpenVINO is not installed, or the model is not on the processor.
    """
    if model.device.type != "cpu":
        raise CraterlabError(
            f"backend='openvino' runs on the processor; got device {str(model.device)!r}. Use device='cpu', or "
            "backend='torch' for a GPU."
        )
    openvino()
    return replace(model, net=_compiled(model.net, precision, torch.get_num_threads()))


def openvino() -> Any:
    """The module, loaded without its telemetry.

    Raises
    ------
    CraterlabError
        It is not installed.
    """
    # OpenVINO reports each import and each conversion to its makers unless that package is missing. A detection does
    # not call home.
    absent = "openvino_telemetry" not in sys.modules
    if absent:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError:
        raise CraterlabError(
            "backend='openvino' needs the package openvino, which is not installed; type "
            "pip install \"craterlab[openvino]\" (or pip install openvino), or use backend='torch'"
        ) from None
    finally:
        if absent:
            del sys.modules["openvino_telemetry"]
    return openvino


class OpenVinoNet(torch.nn.Module):
    """A stand-in for `net`: batches in, maps out, any window whose sides the network takes. Compiled when first used,
    since the number of layers in its input is seen there."""

    def __init__(self, net: torch.nn.Module, precision: torch.dtype, threads: int) -> None:
        super().__init__()
        self.net = net
        self._hints = ("f32", "bf16" if precision == torch.bfloat16 else "f32")
        self._threads = threads
        self._parts: list[Any] = []
        self._lock = threading.Lock()  # one window at a time; two would only share the same cores

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with self._lock:
            if not self._parts:
                self._compile(x.shape[1])
            tensors: list[Any] = [x.contiguous().numpy()]
            for part in self._parts:
                # A request of its own for each window: a kept one keeps the memory of the largest it has seen.
                request = part.create_infer_request()
                request.infer(tensors)
                tensors = [request.get_output_tensor(i) for i in range(len(part.outputs))]
            return torch.from_numpy(tensors[0].data.copy())

    def _compile(self, layers: int) -> None:
        ov = openvino()
        # Sides that every network of the zoo takes; they are free afterwards.
        example = torch.zeros(1, layers, 256, 256)
        whole = ov.convert_model(self.net, example_input=example, input=[1, layers, -1, -1])
        for part, hint in zip(_preparation_and_network(ov, whole), self._hints, strict=True):
            options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": self._threads}
            self._parts.append(ov.Core().compile_model(part, "CPU", options))


# One compiled network for each loaded one, precision and number of threads.
_compiled = lru_cache(maxsize=4)(OpenVinoNet)


def _preparation_and_network(ov: Any, model: Any) -> tuple[Any, Any]:
    """Cut a graph before its first convolutions.

    What comes before them prepares the image, and differences of nearly equal numbers, as in a local variance, do not
    survive bfloat16: measured on `nac` crops, logits were wrong by up to 3 when the whole graph ran in it, by 0.05 when
    the convolutions alone did. OpenVINO has one precision for a graph, hence two graphs.
    """
    before: set[str] = set()
    cuts: dict[tuple[str, int], Any] = {}
    for op in model.get_ordered_ops():
        sources = [i.get_source_output() for i in op.inputs()]
        name = lambda output: output.get_node().get_name()  # noqa: E731
        prepared = [s for s in sources if name(s) in before]
        pure = all(name(s) in before or s.get_node().get_type_name() == "Constant" for s in sources)
        if op.get_type_name() == "Parameter" or (prepared and pure and "Convolution" not in op.get_type_name()):
            before.add(op.get_name())
        else:
            cuts |= {(name(s), s.get_index()): s for s in prepared}
    preparation = ov.Model(list(cuts.values()), model.get_parameters(), "preparation")
    parameters = []
    for cut in cuts.values():
        parameter = ov.op.Parameter(cut.get_element_type(), cut.get_partial_shape())
        for target in cut.get_target_inputs():
            node = target.get_node()
            if node.get_name() not in before and node.get_type_name() != "Result":
                target.replace_source_output(parameter.output(0))
        parameters.append(parameter)
    return preparation, ov.Model(model.get_results(), parameters, "network")
