#!/usr/bin/env python3
"""Reads the bytes of a dl.model, with the safetensors package where it is there, and predicts rows with NumPy.

    model_forward.py MODEL.safetensors ROWS.csv

ROWS.csv has a header with the names of the columns, and the values as PostgreSQL prints them: numbers, texts, dates
and timestamps in ISO form without time zone, arrays as {1,2,3}, booleans as true and false.  An empty field is
missing.  Prints a line a row: the value, the probability of the second class, or the probabilities of all classes,
separated by commas.

Nothing here knows the C code or the network language: it is what docs/model-format.md says, and shows that a model
can be used without PostgreSQL.
"""

import csv
import datetime
import json
import math
import re
import statistics
import sys

import numpy

try:
    from safetensors import safe_open
except ImportError:
    safe_open = None

TYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"}
LIMIT = 1e6  # of a scaled number; 1e12 of one as stored


def read_without_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    tensors = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            tensors[name] = numpy.frombuffer(data[begin:end], TYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return json.loads(header["__metadata__"]["deep_learning"]), tensors


def read_model(path):
    if safe_open is None:
        return read_without_safetensors(path)
    with safe_open(path, framework="np") as file:
        document = json.loads(file.metadata()["deep_learning"])
        return document, {name: file.get_tensor(name) for name in file.keys()}


def text_of(value):
    """A text of the document as bytes."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()


# --- rows to words ---------------------------------------------------------


def cycle(share):
    angle = 2 * math.pi * share
    return [math.sin(angle), math.cos(angle)]


def moment_words(value, column):
    moment = datetime.datetime.fromisoformat(value)
    day = datetime.datetime(moment.year, moment.month, moment.day)
    fraction = (moment - day) / datetime.timedelta(days=1)
    days = (day - datetime.datetime(2000, 1, 1)).days
    length = (datetime.datetime(moment.year + 1, 1, 1) - datetime.datetime(moment.year, 1, 1)).days
    year = (day - datetime.datetime(moment.year, 1, 1)).days
    words = [days - column["offset"] + fraction]
    words += cycle((year + fraction) / length) + cycle(((days + 5) % 7 + fraction) / 7)
    return words + cycle(fraction) if column["words"] == 7 else words


def column_words(value, column):
    """The numbers of one value, NaN for a missing one."""
    if value == "":
        return [math.nan] * column["words"]
    if column["kind"] in ("date", "timestamp"):
        return moment_words(value, column)
    # a real is printed with as many digits as tell it from other reals
    number = numpy.float32 if column["type"].startswith("real") else float
    if column["kind"] == "array":
        items = value.strip("{}[]").split(",")
        return [math.nan if item == "NULL" else float(number(item)) - column["offset"] for item in items]
    return [float(number(value)) - column["offset"]]


def encode(document, rows):
    """Words of the numbers [rows, feature_words] (float32), and the codes of each category."""
    words = numpy.full((len(rows), document["feature_words"]), numpy.nan, numpy.float32)
    codes = {}
    for index, column in enumerate(document["columns"]):
        name = text_of(column["name"]).decode(errors="surrogateescape")
        values = [row[name] for row in rows]
        if column["kind"] == "category":
            vocabulary = {text_of(text): code for code, text in enumerate(column["vocabulary"])}
            codes[index] = [vocabulary.get(value.encode(errors="surrogateescape"), -1) if value != "" else -1 for value in values]
            continue
        first = column["first_word"]
        if column["kind"] == "text":
            vocabulary = {text_of(text): code for code, text in enumerate(column["vocabulary"])}
            texts = [value.encode(errors="surrogateescape") for value in values]
            codes[index] = [vocabulary.get(prefix_of(text), -1) if text else -1 for text in texts]
            for r, text in enumerate(texts):
                if text:
                    words[r, first + 1 : first + column["words"]] = text_words(text, column["buckets"])
            continue
        for r, value in enumerate(values):
            words[r, first : first + column["words"]] = column_words(value, column)
    return words, codes


# --- texts ------------------------------------------------------------------

MASK = (1 << 64) - 1
TOKEN, GRAM = 0x746F6B656E, 0x6772616D  # seeds of the two halves of the buckets


def mix(h, value):
    z = (h * 0x9E3779B97F4A7C15 + value + 0x632BE59BD9B4E019) & MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def mix_bytes(h, data):
    h = mix(h, len(data))
    for i in range(0, len(data), 8):
        h = mix(h, int.from_bytes(data[i : i + 8], "little"))
    return h


def hashed(hashes, buckets):
    counts = numpy.zeros(buckets)
    for h in hashes:
        counts[(h >> 32) * buckets >> 32] += 1 if h & 1 else -1
    return numpy.sign(counts) * numpy.sqrt(abs(counts) / max(abs(counts).sum(), 1))


def text_words(text, buckets):
    """All words of a text but the code of its prefix."""
    head = text[:4096]
    tokens = [token.lower() for token in re.findall(rb"[0-9A-Za-z\x80-\xff]+", head)]  # bytes.lower() is that of ASCII
    edged = [b" " + token + b" " for token in tokens]
    grams = [int.from_bytes(token[i : i + 3], "big") for token in edged for i in range(len(token) - 2)]
    number = re.search(rb"[0-9]+", head)
    return [
        math.log1p(len(text)),
        math.log1p(len(tokens)),
        len(re.findall(rb"[0-9]", head)) / max(len(head), 1),
        *hashed([mix_bytes(TOKEN, token) for token in tokens], buckets // 2),
        *hashed([mix(GRAM, gram) for gram in grams], buckets // 2),
        math.log1p(int(number[0])) if number and len(number[0]) <= 15 else math.nan,
    ]


def prefix_of(text):
    head = re.match(rb"[^0-9A-Za-z\x80-\xff]*(([A-Za-z\x80-\xff]{1,32})|[0-9]{1,3}(?=[^0-9]))?", text[:4096])
    return (head[1] or b"").lower()


# --- words to the network's inputs -----------------------------------------


def scale_quantile(x, quantiles):
    low = numpy.searchsorted(quantiles, x, "left")
    high = numpy.searchsorted(quantiles, x, "right")
    if high > low:
        position = (low + high - 1) / 2
    elif low == 0 or low == len(quantiles):
        position = 0 if low == 0 else len(quantiles) - 1
    else:
        before, after = float(quantiles[low - 1]), float(quantiles[low])
        position = low - 1 + (float(x) - before) / (after - before)
    return statistics.NormalDist().inv_cdf((position + 0.5) / len(quantiles))


def scale_number(x, kind, center, scale, quantiles):
    if kind == "quantile":
        return numpy.array([0.0 if math.isnan(v) else scale_quantile(v, quantiles) for v in x])
    limit = 1e12 if kind == "none" else LIMIT
    y = numpy.clip(numpy.nan_to_num((x - center) * scale, nan=0.0), -limit, limit)
    return y / numpy.sqrt(1 + (y / 3) ** 2) if kind == "robust" else y


def prepare(document, tensors, words, codes):
    preparation = document["preparation"]
    of_texts = {
        word
        for column in document["columns"]
        if column["kind"] == "text"
        for word in range(column["first_word"], column["first_word"] + column["words"])
    }
    numbers, texts, embedded = [], [], []
    quantile = 0
    for i, word in enumerate(tensors["preparation.words"]):
        count = tensors["preparation.quantile_counts"][i]
        quantiles = tensors["preparation.quantiles"][quantile : quantile + count]
        quantile += count
        kind = preparation["scalings"][tensors["preparation.scalings"][i]]
        center, scale = tensors["preparation.centers"][i], tensors["preparation.scales"][i]
        scaled = scale_number(words[:, word], kind, center, scale, quantiles)
        (texts if word in of_texts else numbers).append(scaled)
    levels = []
    for i, category in enumerate(preparation["categories"]):
        levels_of = tensors[f"preparation.map.{i}"]
        levels.append(numpy.array([levels_of[c] if 0 <= c < len(levels_of) else -1 for c in codes[category["column"]]], int))
        if "level_numbers" in category:
            numbers.extend(tensors[f"preparation.levels.{i}"][levels[i] + 1].T)
    numbers.extend(texts)
    for i, word in enumerate(tensors["preparation.words"]):
        if tensors["preparation.missing"][i]:
            numbers.append(numpy.isnan(words[:, word]).astype(float))
    for i, category in enumerate(preparation["categories"]):
        if not category["one_hot"]:
            embedded.append(levels[i] + 1)
        elif category["levels"] == 2:
            numbers.append(numpy.choose(levels[i] + 1, [0.0, -1.0, 1.0]))
        else:
            numbers.extend((levels[i] == k).astype(float) for k in range(category["levels"]))
    value = 0
    for i in range(preparation.get("integers", 0)):
        x = words[:, tensors["preparation.integer_words"][i]]
        for _ in range(tensors["preparation.integer_counts"][i]):
            numbers.append((x == tensors["preparation.integer_values"][value]).astype(float))
            value += 1
    rows = len(words)
    return {
        "numbers": numpy.stack(numbers, 1) if numbers else numpy.zeros((rows, 0)),
        "codes": numpy.stack(embedded, 1) if embedded else numpy.zeros((rows, 0), int),
    }


# --- the network -----------------------------------------------------------


def softplus(x):
    return numpy.logaddexp(0, x)


def elu(x):
    return numpy.where(x > 0, x, numpy.expm1(numpy.minimum(x, 0)))


ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": lambda x: numpy.maximum(x, 0),
    "leaky_relu": lambda x: numpy.where(x > 0, x, 0.01 * x),
    "elu": elu,
    "selu": lambda x: 1.0507009873554805 * numpy.where(x > 0, x, 1.6732632423543772 * elu(x)),
    "gelu": lambda x: x * 0.5 * (1 + numpy.vectorize(math.erf)(x / math.sqrt(2))),
    "silu": lambda x: x * numpy.exp(-softplus(-x)),
    "mish": lambda x: x * numpy.tanh(softplus(x)),
    "tanh": numpy.tanh,
    "sigmoid": lambda x: numpy.exp(-softplus(-x)),
    "softplus": softplus,
}


def periodic(x, frequency, phase, weight, bias):
    columns = len(frequency)
    parts = []
    for i in range(columns):
        cosines = numpy.cos(2 * math.pi * x[:, i : i + 1] * frequency[i] + phase[i])
        parts += [x[:, i : i + 1], cosines @ weight[i] + bias[i]]
    return numpy.concatenate(parts + [x[:, columns:]], 1)


def neighbours(z, keys, squares, values):
    near = z @ keys + squares
    near = numpy.exp(near - near.max(axis=1, keepdims=True))
    return near @ values / near.sum(axis=1, keepdims=True)


def piecewise(x, edges, weight, linear, bias):
    columns = len(edges)
    parts = []
    for i, e in enumerate(edges):
        y = x[:, i : i + 1] * linear[i] + bias[i]
        bins = 0  # an edge that repeats the last one ends them
        while bins + 1 < len(e) and e[bins] < e[bins + 1]:
            bins += 1
        for t in range(bins):
            share = (x[:, i : i + 1] - e[t]) / (e[t + 1] - e[t])
            share = numpy.maximum(share, 0) if t > 0 else share
            share = numpy.minimum(share, 1) if t + 1 < bins else share
            y = y + share * weight[i][t]
        parts.append(y)
    return numpy.concatenate(parts + [x[:, columns:]], 1)


def run_node(node, inputs, feeds):
    op = node["op"]
    x = inputs[0] if inputs else None
    if op == "input":
        return feeds.get(node["name"])  # some are of training alone
    if op == "dense":
        y = x @ inputs[1].T + (inputs[2] if len(inputs) > 2 else 0)
        return ACTIVATIONS[node["activation"]](y)
    if op == "activation":
        return ACTIVATIONS[node["activation"]](x)
    if op == "parametric_activation":
        return x + inputs[1] * (ACTIVATIONS[node["activation"]](x) - x)
    if op == "dropout":
        return x
    if op == "add":
        return x + inputs[1]
    if op in ("multiply", "scale_columns"):
        return x * inputs[1]
    if op == "concat":
        return numpy.concatenate(inputs, 1)
    if op == "slice":
        return x[:, node["start"] : node["start"] + node["count"]]
    if op == "embedding":
        return inputs[1][x[:, node["column"]].astype(int)]
    if op == "layer_norm":
        mean, variance = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        return (x - mean) / numpy.sqrt(variance + node["epsilon"]) * inputs[1] + inputs[2]
    if op == "batch_norm":
        return (x - inputs[3]) / numpy.sqrt(inputs[4] + node["epsilon"]) * inputs[1] + inputs[2]
    if op == "periodic":
        return periodic(x, *inputs[1:])
    if op == "neighbours":
        return neighbours(x, *inputs[2:])
    if op == "piecewise":
        return piecewise(x, *inputs[1:])
    sys.exit(f"model_forward.py: operator {op} is not known")


def forward(document, tensors, member, feeds):
    values = {}
    graph = document["networks"][document["members"][member]["network"]]["graph"]
    for node in graph["nodes"]:
        inputs = [
            tensors[f"{member}.{key}"].astype(float) if isinstance(key, str) else values[key] for key in node["inputs"]
        ]
        values[node["id"]] = run_node(node, inputs, feeds)
    return values[graph["output"]]


def results(document, member, outputs):
    """Outputs of one member in units of the target, or probabilities."""
    target = document["target"]
    if document["task"] == "regression":
        low, high = ([float(v) for v in target[key]] for key in ("low", "high"))
        scaling = member["target"]
        values = outputs * scaling["scale"] + scaling["center"]
        return numpy.clip(numpy.exp(values) - scaling["shift"] if scaling["log"] else values, low, high)
    if document["task"] == "multiclass":
        powers = numpy.exp(outputs - outputs.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)
    return ACTIVATIONS["sigmoid"](outputs)


def temper(document, p):
    """Averaged probabilities, their logits divided by the temperature."""
    if document["task"] == "regression":
        return p
    power = 1 / document["target"]["temperature"]
    if document["task"] == "multiclass":
        return p**power / (p**power).sum(1, keepdims=True)
    return p**power / (p**power + (1 - p) ** power)


def predict(document, tensors, rows):
    feeds = prepare(document, tensors, *encode(document, rows))
    average = sum(
        member["weight"] * results(document, member, forward(document, tensors, m, feeds))
        for m, member in enumerate(document["members"])
    )
    return temper(document, average)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: model_forward.py MODEL.safetensors ROWS.csv")
    document, tensors = read_model(sys.argv[1])
    with open(sys.argv[2], newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    for row in predict(document, tensors, rows):
        print(",".join(repr(float(value)) for value in row))


if __name__ == "__main__":
    main()
