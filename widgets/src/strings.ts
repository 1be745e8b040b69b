// Every word that a widget shows. Another language is another table with the same names.
const en = {
  play: "Play",
  pause: "Pause",
  turnD: "Turn of D",
  turnG: "Turn of G",
  round: "Round",
  rewind: "Rewind",
  reseed: "Reseed",
  newStart: "New start",
  copy: "Copy as ganlib code",
  copied: "The code is copied.",
  cannotCopy: "This page may not copy; here is the code:",
  link: "Link to this state",
  linked: "The address of this page now holds this state.",
  replaying: "Replaying to this state.",
  you: "You said: {0}.",
  right: "So it is.",
  wrong: "It is: {0}.",
  none: "none",
  // the games and penalties of ganlib
  minimax: "minimax",
  nonsaturating: "non-saturating",
  least_squares: "least squares",
  hinge: "hinge",
  wasserstein: "Wasserstein",
  relativistic: "relativistic",
  game: "Game",
  // the circle
  circle: "The circle",
  circleFixed: "one weight a player, {0}, nothing random",
  circleGuess: "Before you play: does the path go in, go out, or neither?",
  circleIn: "in",
  circleOut: "out",
  circleNeither: "neither",
  circleOrder: "Order of turns",
  circleBoth: "both at once",
  circleOnce: "D, then G",
  circleMany: "D k times, then G",
  circleH: "Step h",
  circleK: "D’s turns, k",
  circleGamma: "Penalty R1, γ",
  circleNoise: "Instance noise",
  circlePortrait: "The two weights. The starting point can be moved with the arrow keys.",
  circleTheta: "θ, G’s weight",
  circlePsi: "ψ, D’s weight",
  circleStart: "start, drag it",
  circleSolution: "solution",
  circleRound: "round {0}",
  circleEigen: "Eigenvalues of one round",
  circleInside: "inside: it arrives",
  circleOutside: "outside: it leaves",
  circleRadius: "Radius",
  circleRounds: "rounds",
  circleMeasured: "measured,",
  circlePredicted: "predicted",
  circleTurnD: "a turn of D",
  circleTurnG: "a turn of G",
  circleBothTurns: "a round",
  circleOrbit: "the predicted orbit",
  circleStatus: "Round {0}: θ = {1}, ψ = {2}, radius {3} (predicted {4}). {5}",
  circleOn: "On the unit circle: to first order neither in nor out.",
  circleWithin: "Inside the unit circle: to first order it arrives.",
  circleBeyond: "Outside the unit circle: to first order it leaves.",
  circleFar: "The path has left the picture.",
};

export type Words = keyof typeof en;

/** The words of a name, with {0}, {1}, ... filled in. */
export function say(name: Words, ...parts: (string | number)[]): string {
  return en[name].replace(/\{(\d)\}/g, (_, i) => String(parts[Number(i)]));
}

/** A number as a page writes it: with a minus sign, not a hyphen. */
export const num = (x: number, digits: number) => (Number(x.toFixed(digits)) === 0 ? (0).toFixed(digits) : x.toFixed(digits)).replace("-", "−");
