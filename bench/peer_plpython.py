#!/usr/bin/env python3
"""What a user would run instead, inside the database: PyTorch called from PL/Python, once a row.

Prints the SQL that makes function NAME(c0 real, ...) returning the network's output for one row. The network has PyTorch's random weights,
which does for timing. The module is made at a session's first call and kept; inference mode, one row to a tensor. Needs PL/Python
(plpython3u) of the Python version that runs this, and torch where this Python has it, readable by the server's user.
"""
import argparse, os

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("name")
p.add_argument("--columns", type=int, default=28)
p.add_argument("--hidden", default="64,64")
p.add_argument("--threads", type=int, default=1)
a = p.parse_args()
import torch

sizes = [a.columns] + [int(x) for x in a.hidden.split(",") if x] + [1]
layers = []
for i, (n, m) in enumerate(zip(sizes, sizes[1:])):
    layers.append(f"torch.nn.Linear({n}, {m})")
    if i < len(sizes) - 2:
        layers.append("torch.nn.ReLU()")
site = os.path.dirname(os.path.dirname(os.path.abspath(torch.__file__)))
parameters = ", ".join(f"c{i} real" for i in range(a.columns))
print(f"""CREATE EXTENSION IF NOT EXISTS plpython3u;
CREATE FUNCTION {a.name}({parameters}) RETURNS double precision IMMUTABLE LANGUAGE plpython3u AS $python$
if "score" not in SD:
    import sys
    if {site!r} not in sys.path:
        sys.path.append({site!r})
    import torch
    torch.set_num_threads({a.threads})
    torch.manual_seed(0)
    model = torch.nn.Sequential({", ".join(layers)}).eval()
    tensor = torch.tensor
    inference = torch.inference_mode
    def score(row):
        with inference():
            return model(tensor(row)).item()
    SD["score"] = score
return SD["score"](args)
$python$;""")
