// The perplexity of a causal language model on a text.
//   perplexity MODEL TEXT_FILE [CONTEXT] [DTYPE]
// The text is cut into pieces of CONTEXT tokens (512); each token of a piece's second half is predicted from all before
// it in the piece, as llama.cpp's llama-perplexity does, so that the two figures can be compared.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <hft/auto.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/tokenizers/pretrained.hpp>

using namespace hft;

namespace {

// -log softmax(logits)[id]
f64 negative_log_likelihood(const f32* logits, isize n, i64 id) {
  const f64 top = *std::max_element(logits, logits + n);
  f64 sum = 0;
  for (isize i = 0; i < n; ++i) sum += std::exp(logits[i] - top);
  return top + std::log(sum) - logits[id];
}

int run(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: perplexity MODEL TEXT_FILE [CONTEXT] [DTYPE]\n", stderr);
    return 2;
  }
  const isize context = argc > 3 ? std::atoi(argv[3]) : 512;
  if (context < 2) throw value_error("perplexity", "CONTEXT", "at least 2", argv[3]);
  LoadOptions options;
  if (argc > 4) options.dtype = dtype_from_name(argv[4]);
  const auto model = AutoModelForCausalLM<any_q>::from_pretrained(argv[1], options);
  const auto tokenizer = AutoTokenizer::from_pretrained(argv[1]);
  const auto ids = tokenizer.encode(read_text(argv[2], std::size_t(1) << 30), false);
  const isize pieces = isize(ids.size()) / context;
  if (pieces == 0) throw value_error("perplexity", argv[2], detail::cat("at least ", context, " tokens"));

  f64 sum = 0, sum_of_squares = 0;
  isize count = 0;
  for (isize p = 0; p < pieces; ++p) {
    Tensor<i64, 2> piece({1, context});
    std::copy_n(ids.begin() + p * context, context, piece.data());
    const auto logits = model(piece).logits;  // (1,T,V)
    const isize V = logits.extent(2);
    for (isize t = context / 2; t + 1 < context; ++t) {
      const f64 nll = negative_log_likelihood(logits.data() + t * V, V, piece.data()[t + 1]);
      sum += nll, sum_of_squares += nll * nll, ++count;
    }
    std::fprintf(stderr, "\r%td of %td pieces: %.4f", p + 1, pieces, std::exp(sum / f64(count)));
  }
  const f64 mean = sum / f64(count);
  const f64 error = std::sqrt((sum_of_squares / f64(count) - mean * mean) / f64(std::max<isize>(count - 1, 1)));
  std::fputc('\n', stderr);
  std::printf("perplexity %.4f +/- %.4f over %td tokens\n", std::exp(mean), std::exp(mean) * error, count);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "perplexity: %s\n", e.what());
    return 1;
  }
}
