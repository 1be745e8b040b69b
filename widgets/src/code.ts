// Python that is copied from more than one widget.

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
