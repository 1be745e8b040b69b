// A round of ring_grid.py in C++: `gradients` and Adam, seed by seed, so that one seed's activations stay in the cache.
//
// Arrays are as there, for one seed: activations (features, n) row by row, weights (outputs, inputs). Products of hidden layers
// have factors in bfloat16 and results in float, by PyTorch's brgemm. The right factor lies in pairs of rows, (rows / 2, n, 2),
// as matrix units want it.

#include <ATen/ATen.h>
#include <ATen/native/CPUBlas.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <vector>

namespace {

constexpr int64_t WIDTH = 400, UNITS = 200, PIECES = 5, BATCH = 100;
constexpr int64_t ROWS = 40;  // of a product at a time: what comes out is used up before it leaves the cache
constexpr float EPS = 1e-4;   // of batch normalisation

static_assert(WIDTH % 2 == 0 && UNITS % 2 == 0 && BATCH % 2 == 0, "rows and samples are taken in pairs");

template <class T>
struct Aligned {  // matrix units read cache lines
  using value_type = T;
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64))); }
  void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t(64)); }
  bool operator==(const Aligned&) const { return true; }
};

using Floats = std::vector<float, Aligned<float>>;
using Halves = std::vector<uint16_t, Aligned<uint16_t>>;  // bfloat16, bit by bit
using Pair = uint32_t __attribute__((may_alias));  // two neighbours in Halves

uint32_t bits(float x) {  // the upper 16 are the nearest bfloat16, ties to even
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return u + 0x7fff + ((u >> 16) & 1);
}

// Matrix units are quickest with whole tiles: what a product sums over is filled up with zeros to a multiple of 32, and a
// right factor has a multiple of 16 columns, of which the last mean nothing.
constexpr int64_t filled(int64_t k) { return (k + 31) / 32 * 32; }
constexpr int64_t wide(int64_t n) { return (n + 15) / 16 * 16; }

// x (rows, k), a row every `across` floats, to (rows, filled(k)).
void as_left(const float* x, int64_t rows, int64_t k, int64_t across, uint16_t* to) {
  for (int64_t r = 0; r < rows; r++, x += across, to += filled(k)) {
    for (int64_t i = 0; i < k; i++) to[i] = bits(x[i]) >> 16;
    std::fill(to + k, to + filled(k), 0);
  }
}

// x (k, n), a row every `across` floats, to (filled(k) / 2, wide(n), 2).
void as_right(const float* x, int64_t k, int64_t n, int64_t across, uint16_t* to) {
  auto* pairs = reinterpret_cast<Pair*>(to);
  for (int64_t r = 0; r < k; r += 2, pairs += wide(n))
    for (int64_t j = 0; j < n; j++) pairs[j] = (bits(x[r * across + j]) >> 16) | (bits(x[(r + 1) * across + j]) & 0xffff0000u);
  std::fill(pairs, pairs + (filled(k) - k) / 2 * wide(n), 0);
}

// x (rows, n), a row every x_across, to (n, rows), a row every to_across; whole squares of 16, what lies beyond is any number.
void transpose(const Pair* x, int64_t rows, int64_t n, int64_t x_across, Pair* to, int64_t to_across) {
  using Row = uint32_t __attribute__((vector_size(64)));
  for (int64_t i = 0; i < rows; i += 16)
    for (int64_t j = 0; j < n; j += 16) {
      Row square[16];
      for (int r = 0; r < 16; r++) std::memcpy(&square[r], x + (i + r) * x_across + j, 64);
#pragma GCC unroll 4
      for (int half = 1; half < 16; half *= 2) {  // exchanges the two quarters off the diagonal of every square of 2 half
        Row upper, lower;
        for (int c = 0; c < 16; c++) upper[c] = c & half ? 16 + c - half : c, lower[c] = c & half ? 16 + c : c + half;
#pragma GCC unroll 16
        for (int r = 0; r < 16; r++)
          if (!(r & half)) {
            Row a = square[r], b = square[r + half];
            square[r] = __builtin_shuffle(a, b, upper), square[r + half] = __builtin_shuffle(a, b, lower);
          }
      }
      for (int r = 0; r < 16; r++) std::memcpy(to + (j + r) * to_across + i, &square[r], 64);
    }
}

Halves scratch;

// The transpose of x (k, n) as a left factor: pairs of its rows, side by side, are pairs of the transpose's columns.
void as_left_transposed(const float* x, int64_t k, int64_t n, int64_t across, uint16_t* to) {
  scratch.resize(filled(k) * wide(n));
  as_right(x, k, n, across, scratch.data());
  transpose(reinterpret_cast<Pair*>(scratch.data()), filled(k) / 2, n, wide(n), reinterpret_cast<Pair*>(to), filled(k) / 2);
}

void as_right_transposed(const float* x, int64_t rows, int64_t k, int64_t across, uint16_t* to) {
  scratch.resize(wide(rows) * filled(k));
  as_left(x, rows, k, across, scratch.data());
  int64_t pairs = filled(k) / 2;
  transpose(reinterpret_cast<Pair*>(scratch.data()), rows, pairs, pairs, reinterpret_cast<Pair*>(to), wide(rows));
}

float value(uint16_t half) {
  uint32_t u = uint32_t(half) << 16;
  float x;
  std::memcpy(&x, &u, 4);
  return x;
}

// (m, k) times (k, n) by factors as above, in floats, a row every wide(n); a plain loop where there are no matrix units.
void product(int64_t m, int64_t n, int64_t k, const uint16_t* left, const uint16_t* right, float* to) {
  static const bool units = at::native::cpublas::could_pack(at::kBFloat16);
  k = filled(k), n = wide(n);
  if (!units) {
    std::fill(to, to + m * n, 0.0f);
    for (int64_t i = 0; i < m; i++)
      for (int64_t r = 0; r < k; r++)
        for (int64_t j = 0; j < n; j++) to[i * n + j] += value(left[i * k + r]) * value(right[(r / 2 * n + j) * 2 + r % 2]);
    return;
  }
  at::native::cpublas::brgemm(m, n, k, k, n, n, false, reinterpret_cast<const at::BFloat16*>(left),
                              reinterpret_cast<const at::BFloat16*>(right), to);
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }
float limited(float logit) { return std::max(logit, -40.0f); }
float softplus(float x) { return std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x))); }
float sum(const float* x, int64_t n) {
  float total = 0;
  for (int64_t i = 0; i < n; i++) total += x[i];
  return total;
}
float dot(const float* x, const float* y, int64_t n) {
  float total = 0;
  for (int64_t i = 0; i < n; i++) total += x[i] * y[i];
  return total;
}

struct Parameter {
  float *w, *m, *v;
};

struct Adam {
  float rate, beta1, beta2, inverse_root;  // the learning rate over 1 - beta1^t, and 1 / sqrt(1 - beta2^t)

  void step(Parameter p, const float* grad, int64_t n, int64_t first = 0) const {
    float *w = p.w + first, *m = p.m + first, *v = p.v + first;
    for (int64_t i = 0; i < n; i++) {
      m[i] = beta1 * m[i] + (1 - beta1) * grad[i];
      v[i] = beta2 * v[i] + (1 - beta2) * grad[i] * grad[i];
      w[i] -= rate * m[i] / (std::sqrt(v[i]) * inverse_root + 1e-8f);
    }
  }
};

// One seed's parameters, in the order of the network's.
std::vector<Parameter> of_seed(at::TensorList w, at::TensorList m, at::TensorList v, int64_t seed) {
  std::vector<Parameter> all;
  for (size_t i = 0; i < w.size(); i++) {
    for (const at::Tensor& x : {w[i], m[i], v[i]})
      TORCH_CHECK(x.is_cpu() && x.is_contiguous() && x.scalar_type() == at::kFloat && x.sizes() == w[i].sizes(),
                  "a parameter and Adam's averages of it have to be alike, contiguous, of float32 and on the CPU");
    int64_t at = seed * w[i].stride(0);
    all.push_back({w[i].data_ptr<float>() + at, m[i].data_ptr<float>() + at, v[i].data_ptr<float>() + at});
  }
  return all;
}

// The step of a hidden layer's weight, whose gradient is grad (outputs, n) times the transpose of x (inputs, n), all halves.
void step_of_product(const Adam& adam, Parameter p, int64_t outputs, int64_t inputs, int64_t n, const Halves& grad,
                     const Halves& x) {
  static Floats block(ROWS * WIDTH);
  for (int64_t row = 0; row < outputs; row += ROWS) {
    int64_t rows = std::min(ROWS, outputs - row);
    product(rows, inputs, n, grad.data() + row * filled(n), x.data(), block.data());
    for (int64_t i = 0; i < rows; i++) adam.step(p, &block[i * wide(inputs)], inputs, (row + i) * inputs);
  }
}

// ------------------------------------------------------------------------------------------------------------------- G

struct GState {  // what the way back needs
  Floats h[5], normal[4];   // h[0] (2, n) are the latents, h[l + 1] and normal[l] (WIDTH, n), a row every wide(n)
  Floats stds[4], samples;  // (WIDTH, pack), (2, n)
};

// weight, scale and shift of the four layers, weight and bias of the last: p[3 l], p[3 l + 1], p[3 l + 2], p[12], p[13].
void generate(const std::vector<Parameter>& p, const float* z, int64_t pack, GState& s, float* means, float* stds) {
  static Halves left(WIDTH * filled(WIDTH)), right;
  static Floats y;
  int64_t n = pack * BATCH, across = wide(n);
  right.resize(filled(WIDTH) * across), y.resize(WIDTH * across), s.samples.resize(2 * n), s.h[0].assign(z, z + 2 * n);
  for (int64_t l = 0; l < 4; l++) {
    s.h[l + 1].resize(WIDTH * across), s.normal[l].resize(WIDTH * across), s.stds[l].resize(WIDTH * pack);
    if (l == 0) {
      for (int64_t i = 0; i < WIDTH; i++)
        for (int64_t j = 0; j < n; j++) y[i * across + j] = p[0].w[2 * i] * z[j] + p[0].w[2 * i + 1] * z[n + j];
    } else {
      as_left(p[3 * l].w, WIDTH, WIDTH, WIDTH, left.data());
      as_right(s.h[l].data(), WIDTH, n, across, right.data());
      product(WIDTH, n, WIDTH, left.data(), right.data(), y.data());
    }
    for (int64_t i = 0; i < WIDTH; i++) {
      float mean_of_means = 0, mean_of_stds = 0;
      for (int64_t part = 0; part < pack; part++) {
        int64_t at = i * across + part * BATCH;
        float *row = &y[at], *normal = &s.normal[l][at], *h = &s.h[l + 1][at];
        float mean = sum(row, BATCH) / BATCH, variance = 0;
        for (int64_t j = 0; j < BATCH; j++) variance += (row[j] - mean) * (row[j] - mean);
        float std = std::sqrt(variance / BATCH + EPS), scale = p[3 * l + 1].w[i], shift = p[3 * l + 2].w[i];
        for (int64_t j = 0; j < BATCH; j++) {
          normal[j] = (row[j] - mean) / std;
          h[j] = std::max(scale * normal[j] + shift, 0.0f);
        }
        s.stds[l][i * pack + part] = std;
        mean_of_means += mean / pack, mean_of_stds += std / pack;
      }
      means[l * WIDTH + i] += 0.05f * (mean_of_means - means[l * WIDTH + i]);
      stds[l * WIDTH + i] += 0.05f * (mean_of_stds - stds[l * WIDTH + i]);
    }
  }
  for (int64_t c = 0; c < 2; c++) {
    float* to = &s.samples[c * n];
    std::fill(to, to + n, p[13].w[c]);
    for (int64_t i = 0; i < WIDTH; i++)
      for (int64_t j = 0; j < n; j++) to[j] += p[12].w[c * WIDTH + i] * s.h[4][i * across + j];
  }
}

// at_samples (2, n) are the derivatives of the loss.
void step_G(const std::vector<Parameter>& p, const GState& s, const Floats& at_samples, int64_t pack, const Adam& adam) {
  static Halves left, right, other, weight(WIDTH * filled(WIDTH));
  static Floats at_h, at_y, small(2 * WIDTH);
  int64_t n = pack * BATCH, across = wide(n);
  left.resize(WIDTH * filled(n)), right.resize(filled(WIDTH) * across), other.resize(filled(n) * wide(WIDTH));
  at_h.resize(WIDTH * across), at_y.resize(WIDTH * across);
  for (int64_t i = 0; i < WIDTH; i++)
    for (int64_t j = 0; j < n; j++)
      at_h[i * across + j] = p[12].w[i] * at_samples[j] + p[12].w[WIDTH + i] * at_samples[n + j];
  for (int64_t c = 0; c < 2; c++) {
    for (int64_t i = 0; i < WIDTH; i++) small[i] = dot(&at_samples[c * n], &s.h[4][i * across], n);
    adam.step(p[12], small.data(), WIDTH, c * WIDTH);
    float total = sum(&at_samples[c * n], n);
    adam.step(p[13], &total, 1, c);
  }
  for (int64_t l = 3; l >= 0; l--) {
    for (int64_t i = 0; i < WIDTH; i++) {
      float at_scale = 0, at_shift = 0;
      for (int64_t part = 0; part < pack; part++) {
        int64_t at = i * across + part * BATCH;
        const float *normal = &s.normal[l][at], *h = &s.h[l + 1][at];
        float *in = &at_h[at], *out = &at_y[at];
        for (int64_t j = 0; j < BATCH; j++) in[j] = h[j] > 0 ? in[j] : 0.0f;
        float total = sum(in, BATCH), along = dot(in, normal, BATCH), rate = p[3 * l + 1].w[i] / s.stds[l][i * pack + part];
        for (int64_t j = 0; j < BATCH; j++) out[j] = rate * (in[j] - total / BATCH - normal[j] * along / BATCH);
        at_scale += along, at_shift += total;
      }
      small[i] = at_scale, small[WIDTH + i] = at_shift;
    }
    adam.step(p[3 * l + 1], &small[0], WIDTH);
    adam.step(p[3 * l + 2], &small[WIDTH], WIDTH);
    if (l == 0) {
      static Floats grad(2 * WIDTH);
      for (int64_t i = 0; i < WIDTH; i++)
        for (int64_t c = 0; c < 2; c++) grad[2 * i + c] = dot(&at_y[i * across], &s.h[0][c * n], n);
      adam.step(p[0], grad.data(), 2 * WIDTH);
    } else {
      as_left_transposed(p[3 * l].w, WIDTH, WIDTH, WIDTH, weight.data());
      as_left(at_y.data(), WIDTH, n, across, left.data());
      as_right(at_y.data(), WIDTH, n, across, right.data());
      as_right_transposed(s.h[l].data(), WIDTH, n, across, other.data());
      product(WIDTH, n, WIDTH, weight.data(), right.data(), at_h.data());
      step_of_product(adam, p[3 * l], WIDTH, WIDTH, n, left, other);
    }
  }
}

// ------------------------------------------------------------------------------------------------------------------- D

constexpr int64_t N = 2 * BATCH, ACROSS = wide(N);

struct DState {
  Floats h[4];  // (UNITS, N), a row every wide(N), h[0] (2 pack, N) without gaps; columns are the real packs, then the fakes
  std::vector<uint8_t> largest[3];  // which piece, the first of equal ones
  Floats logits;
};

// weight and bias of the three layers and of the last: p[2 l], p[2 l + 1].
void judge(const std::vector<Parameter>& p, int64_t pack, DState& s) {
  static Halves left(PIECES * UNITS * filled(UNITS)), right(filled(UNITS) * ACROSS);
  static Floats y(PIECES * ROWS * ACROSS);
  for (int64_t l = 0; l < 3; l++) {
    s.h[l + 1].resize(UNITS * ACROSS), s.largest[l].resize(UNITS * N);
    if (l > 0) {
      as_left(p[2 * l].w, PIECES * UNITS, UNITS, UNITS, left.data());
      as_right(s.h[l].data(), UNITS, N, ACROSS, right.data());
    }
    for (int64_t first = 0; first < UNITS; first += ROWS) {
      int64_t rows = std::min(ROWS, UNITS - first);
      for (int64_t piece = 0; piece < PIECES; piece++) {
        int64_t row = piece * UNITS + first;
        float* to = &y[piece * ROWS * ACROSS];
        if (l > 0) {
          product(rows, N, UNITS, &left[row * filled(UNITS)], right.data(), to);
        } else {
          std::fill(to, to + rows * ACROSS, 0.0f);
          for (int64_t i = 0; i < rows; i++)
            for (int64_t c = 0; c < 2 * pack; c++)
              for (int64_t j = 0; j < N; j++) to[i * ACROSS + j] += p[0].w[(row + i) * 2 * pack + c] * s.h[0][c * N + j];
        }
      }
      for (int64_t i = 0; i < rows; i++) {
        float* h = &s.h[l + 1][(first + i) * ACROSS];
        uint8_t* largest = &s.largest[l][(first + i) * N];
        static float best[N];
        static uint32_t which[N];
        float bias = p[2 * l + 1].w[first + i];
        for (int64_t j = 0; j < N; j++) best[j] = y[i * ACROSS + j] + bias, which[j] = 0;
        for (int64_t piece = 1; piece < PIECES; piece++) {
          const float* row = &y[(piece * ROWS + i) * ACROSS];
          bias = p[2 * l + 1].w[piece * UNITS + first + i];
          for (int64_t j = 0; j < N; j++) {
            float moved = row[j] + bias;
            bool larger = moved > best[j];
            best[j] = larger ? moved : best[j];
            which[j] = larger ? piece : which[j];
          }
        }
        for (int64_t j = 0; j < N; j++) h[j] = best[j], largest[j] = which[j];
      }
    }
  }
  s.logits.assign(N, p[7].w[0]);
  for (int64_t i = 0; i < UNITS; i++)
    for (int64_t j = 0; j < N; j++) s.logits[j] += p[6].w[i] * s.h[3][i * ACROSS + j];
}

// at_logits (N,) are the derivatives of D's loss; at_packs (2 pack, N) becomes that of the packs.
void step_D(const std::vector<Parameter>& p, const DState& s, const Floats& at_logits, int64_t pack, const Adam& adam,
            Floats& at_packs) {
  static Halves left(PIECES * UNITS * filled(N)), right(filled(PIECES * UNITS) * ACROSS);
  static Halves weight(wide(UNITS) * filled(PIECES * UNITS)), other(filled(N) * wide(UNITS));
  static Floats at_h(UNITS * ACROSS), at_y(PIECES * UNITS * ACROSS), small(PIECES * UNITS), grad;
  for (int64_t i = 0; i < UNITS; i++) {
    small[i] = dot(at_logits.data(), &s.h[3][i * ACROSS], N);
    for (int64_t j = 0; j < N; j++) at_h[i * ACROSS + j] = p[6].w[i] * at_logits[j];
  }
  adam.step(p[6], small.data(), UNITS);
  float total = sum(at_logits.data(), N);
  adam.step(p[7], &total, 1);
  at_packs.assign(2 * pack * N, 0.0f), grad.resize(PIECES * UNITS * 2 * pack);
  for (int64_t l = 2; l >= 0; l--) {
    for (int64_t piece = 0; piece < PIECES; piece++)
      for (int64_t i = 0; i < UNITS; i++) {
        const uint8_t* largest = &s.largest[l][i * N];
        int64_t row = piece * UNITS + i;
        float* own = &at_y[row * ACROSS];
        for (int64_t j = 0; j < N; j++) own[j] = largest[j] == piece ? at_h[i * ACROSS + j] : 0.0f;
        small[row] = sum(own, N);
        for (int64_t c = 0; l == 0 && c < 2 * pack; c++) {
          grad[row * 2 * pack + c] = dot(own, &s.h[0][c * N], N);
          for (int64_t j = 0; j < N; j++) at_packs[c * N + j] += p[0].w[row * 2 * pack + c] * own[j];
        }
      }
    if (l == 0) {
      adam.step(p[0], grad.data(), grad.size());
    } else {
      as_left_transposed(p[2 * l].w, PIECES * UNITS, UNITS, UNITS, weight.data());
      as_left(at_y.data(), PIECES * UNITS, N, ACROSS, left.data());
      as_right(at_y.data(), PIECES * UNITS, N, ACROSS, right.data());
      as_right_transposed(s.h[l].data(), UNITS, N, ACROSS, other.data());
      product(UNITS, N, PIECES * UNITS, weight.data(), right.data(), at_h.data());
      step_of_product(adam, p[2 * l], PIECES * UNITS, UNITS, N, left, other);
    }
    adam.step(p[2 * l + 1], small.data(), PIECES * UNITS);
  }
}

// ------------------------------------------------------------------------------------------------------------- a round

// Changes parameters, Adam's averages and G's running statistics in place; losses (seeds,) of D and G before the step.
std::tuple<at::Tensor, at::Tensor> play_round(
    at::TensorList w_G, at::TensorList m_G, at::TensorList v_G, at::TensorList w_D, at::TensorList m_D, at::TensorList v_D,
    const at::Tensor& means, const at::Tensor& stds, const at::Tensor& reals, const at::Tensor& z, int64_t pack, int64_t step,
    double lr, double beta1, double beta2) {
  int64_t seeds = reals.size(0), n = pack * BATCH;
  TORCH_CHECK(w_G.size() == 14 && w_D.size() == 8, "14 parameters of G and 8 of D expected, got ", w_G.size(), " and ",
              w_D.size());
  for (const at::Tensor& x : {reals, z, means, stds})
    TORCH_CHECK(x.is_cpu() && x.scalar_type() == at::kFloat, "samples and statistics have to be of float32, on the CPU");
  TORCH_CHECK(reals.sizes() == at::IntArrayRef({seeds, 2 * pack, BATCH}) && z.sizes() == at::IntArrayRef({seeds, 2, n}),
              "reals (seeds, ", 2 * pack, ", ", BATCH, ") and z (seeds, 2, ", n, ") expected, got ", reals.sizes(), " and ",
              z.sizes());
  double of_m = 1 - std::pow(beta1, step), of_v = 1 - std::pow(beta2, step);
  Adam adam{float(lr / of_m), float(beta1), float(beta2), float(1 / std::sqrt(of_v))};
  at::Tensor loss_D = at::empty(seeds), loss_G = at::empty(seeds), real = reals.contiguous(), latents = z.contiguous();
  at::globalContext().setFlushDenormal(true);  // averages of gradients that died out: arithmetic below 1e-38 is slow
  static GState s;
  static DState d;
  static Floats at_logits(N), at_packs, at_samples;
  for (int64_t seed = 0; seed < seeds; seed++) {
    auto G = of_seed(w_G, m_G, v_G, seed), D = of_seed(w_D, m_D, v_D, seed);
    generate(G, latents.data_ptr<float>() + seed * 2 * n, pack, s, means.data_ptr<float>() + seed * 4 * WIDTH,
             stds.data_ptr<float>() + seed * 4 * WIDTH);
    d.h[0].resize(2 * pack * N);
    for (int64_t part = 0; part < pack; part++)
      for (int64_t c = 0; c < 2; c++) {
        float* to = &d.h[0][(2 * part + c) * N];
        std::memcpy(to, real.data_ptr<float>() + (seed * 2 * pack + 2 * part + c) * BATCH, BATCH * sizeof(float));
        std::memcpy(to + BATCH, &s.samples[c * n + part * BATCH], BATCH * sizeof(float));
      }
    judge(D, pack, d);
    float of_D = 0, of_G = 0;
    for (int64_t j = 0; j < BATCH; j++) {
      float l = d.logits[j], k = d.logits[BATCH + j];
      of_D += softplus(-l) + softplus(k), of_G += softplus(-k);
      at_logits[j] = -sigmoid(-l) / BATCH, at_logits[BATCH + j] = sigmoid(limited(k)) / BATCH;
    }
    loss_D.data_ptr<float>()[seed] = of_D / BATCH, loss_G.data_ptr<float>()[seed] = of_G / BATCH;
    step_D(D, d, at_logits, pack, adam, at_packs);
    at_samples.resize(2 * n);
    for (int64_t j = 0; j < BATCH; j++) {
      float ratio = -std::exp(-limited(d.logits[BATCH + j]));  // D's derivative times this is G's
      for (int64_t part = 0; part < pack; part++)
        for (int64_t c = 0; c < 2; c++)
          at_samples[c * n + part * BATCH + j] = ratio * at_packs[(2 * part + c) * N + BATCH + j];
    }
    step_G(G, s, at_samples, pack, adam);
  }
  at::native::cpublas::brgemm_release();
  at::globalContext().setFlushDenormal(false);
  return {loss_D, loss_G};
}

}  // namespace

TORCH_LIBRARY(ring_grid, library) { library.def("play_round", &play_round); }
