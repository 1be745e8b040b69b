"""The loop under Lightning Fabric, unmodified: two processes that see half of each batch end with the same networks."""

import os
import subprocess
import sys

PROGRAM = """
import sys, warnings
warnings.filterwarnings("ignore", category=FutureWarning)
import torch
from lightning_fabric import Fabric
from ganlib import data, networks, objectives, penalties, training
from functools import partial

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
torch.manual_seed(0)
G, D = networks.MLPGenerator(3, (16,), (1, 4, 4)), networks.MLPDiscriminator((1, 4, 4), (16,))
opt_G, opt_D = (torch.optim.Adam(net.parameters(), 1e-2, betas=(0.0, 0.99), fused=True) for net in (G, D))
run = training.Run(G, D, opt_G, opt_D)
(run.G, run.opt_G), (run.D, run.opt_D) = fabric.setup(G, opt_G), fabric.setup(D, opt_D)
torch.manual_seed(100 + fabric.global_rank)  # each process its own latents and its own half
images = torch.randint(0, 256, (64, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(9))
own = data.batches(images[fabric.global_rank :: 2], 8, seed=fabric.global_rank)
losses = list(training.train(run, own, objectives.relativistic, PENALTY, steps=5, d_steps=2, look=5))
digest = [float(sum(w.double().abs().sum() for w in net.state_dict().values())) for net in (G, D, run.G_ema)]
apart = all(torch.equal(*fabric.all_gather(w)) for net in (G, D, run.G_ema) for w in net.state_dict().values())
with open(f"rank{fabric.global_rank}.txt", "w") as file:  # a pipe that both write to may join their lines
    print(apart, losses[0].loss_D, *digest, file=file)
"""


def rows(folder, penalty):
    program = folder / "program.py"
    program.write_text(PROGRAM.replace("PENALTY", penalty))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1"}
    path = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
    environment["PYTHONPATH"] = os.pathsep.join([path, environment.get("PYTHONPATH", "")])
    run = {"env": environment, "cwd": folder, "capture_output": True, "text": True, "timeout": 300}
    outcome = subprocess.run([sys.executable, program], **run)
    assert outcome.returncode == 0, outcome.stderr
    return [(folder / f"rank{rank}.txt").read_text().split() for rank in range(2)]


def test_two_processes_end_with_one_g_d_and_average(tmp_path):
    first, second = rows(tmp_path, "partial(penalties.r1_by_difference, gamma=0.1)")
    assert first[0] == second[0] == "True"  # bit for bit
    assert first[2:] == second[2:]
    assert first[1] != second[1]  # each has seen its own half
