// The Python that a widget hands out, and what that of several has in common.
import { BATCH, type Game2d } from "./game2d";
import type { Settings } from "./state";

/** A network of two hidden layers that ganlib can play as G or as D. */
export const network = (width: number, activation: string, latents: string) => `class Points(nn.Module):
    def __init__(self, inputs, outputs, logits=False):
        super().__init__()
        self.z_dim, self.logits = inputs, logits
        self.layers = nn.Sequential(
            nn.Linear(inputs, ${width}),
            nn.${activation}(),
            nn.Linear(${width}, ${width}),
            nn.${activation}(),
            nn.Linear(${width}, outputs),
        )

    def forward(self, x):
        return self.layers(x).squeeze(1) if self.logits else self.layers(x)

    def sample_z(self, n, generator=None):
        return ${latents}


`;
export const UNIFORM = "2 * torch.rand(n, self.z_dim, generator=generator) - 1", NORMAL = "torch.randn(n, self.z_dim, generator=generator)";
/** A learning rate as it is set: the power of ten of its slider. */
export const rate = (exponent: unknown) => Number((10 ** Number(exponent)).toPrecision(4));
export const adam = (player: string, exponent: unknown) => `opt_${player} = torch.optim.Adam(${player}.parameters(), lr=${rate(exponent)}, betas=(0.0, 0.99))\n`;

/** The playground's setting as a program. */
export function pointsInThePlane(s: Settings, play: Game2d, rounds: number): string {
  const { places, std } = play.data, w = s.width, one = play.zDim === 1;
  const reals: Record<string, string> = {
    ring: `data.gaussian_ring(10_000, modes=8, std=${std}, seed=${s.seed})`,
    grid: `data.gaussian_grid(10_000, side=5, spacing=0.5, std=${std}, seed=${s.seed})`,
  };
  const centres: Record<string, string> = { ring: "data.ring_centres(8)", grid: "data.grid_centres(5, 0.5)" };
  const name = String(s.data), listed = `torch.tensor([${places.map(([x, y]) => `[${Number(x.toFixed(3))}, ${Number(y.toFixed(3))}]`).join(", ")}])`;
  const penalised = s.penalty !== "none", amount = s.penalty === "gradient_penalty" ? "weight" : "gamma";
  const sgd: typeof adam = (player, exponent) => `opt_${player} = torch.optim.SGD(${player}.parameters(), lr=${rate(exponent)})\n`;
  const optimiser = s.optimiser === "adam" ? adam : sgd;
  return `import torch
from torch import nn
${penalised ? "from functools import partial\n" : ""}
from ganlib import data, objectives${penalised ? ", penalties" : ""}
from ganlib.metrics import mode_coverage
from ganlib.networks import sample
from ganlib.training import Run, train


${network(Number(w), "ReLU", s.z === "uniform2" ? UNIFORM : NORMAL)}torch.manual_seed(${s.seed})
centres = ${centres[name] ?? listed}
reals = ${reals[name] ?? `centres[torch.randint(len(centres), (10_000,))] + ${std} * torch.randn(10_000, 2)`}
G, D = Points(${one ? 1 : 2}, 2), Points(2, 1, logits=True)
${optimiser("G", s.rateG)}${optimiser("D", s.rateD)}run = Run(G, D, opt_G, opt_D)
rounds = train(
    run,
    data.batches(reals, ${BATCH}, seed=${s.seed}),
    objectives.${s.game},
    ${penalised ? `partial(penalties.${s.penalty}, ${amount}=${s.weight})` : "None"},
    steps=${rounds},
    d_steps=${s.k},
)
for losses in rounds:
    pass
print(losses)
print(mode_coverage(sample(G, 500), centres, std=${std}))
`;
}
