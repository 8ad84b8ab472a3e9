// TensorBoardCallback: scalars in an event file that TensorBoard opens.
//
// The file is a sequence of TFRecords: length (u64), its masked crc32c, the data, its masked crc32c; each record an
// Event of tensorboard/compat/proto/event.proto, written by hand: wall_time (1, double), step (2, int64), file_version
// (3, string) or summary (5): value (1): tag (1, string), simple_value (2, float); tensor text is left out.
#pragma once
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

#include <hft/train/callbacks/log_files.hpp>

namespace hft {

namespace detail {

/// CRC-32C (Castagnoli), as RFC 3720, appendix B.4 has it.
inline std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t crc = ~0u;
  for (const char b : bytes) crc = table[(crc ^ std::uint8_t(b)) & 0xff] ^ crc >> 8;
  return ~crc;
}

/// A record of a TFRecord file.
inline std::string tf_record(std::string_view data) {
  const auto number = [](auto n) {
    std::string out;
    for (std::size_t i = 0; i < sizeof n; ++i) out += char(n >> 8 * i & 0xff);
    return out;
  };
  const auto masked = [&](std::string_view bytes) { return number(std::rotr(crc32c(bytes), 15) + 0xa282ead8u); };
  const std::string length = number(std::uint64_t(data.size()));
  return length + masked(length) + std::string(data) + masked(data);
}

/// Fields of a protocol buffer (protobuf.dev/programming-guides/encoding).
struct protobuf_message {
  std::string bytes;

  void varint(std::uint64_t n) {
    for (; n >= 0x80; n >>= 7) bytes += char(n | 0x80);
    bytes += char(n);
  }
  void tag(int field, int type) { varint(std::uint64_t(field) << 3 | std::uint64_t(type)); }
  void integer(int field, i64 value) { tag(field, 0), varint(std::uint64_t(value)); }
  void text(int field, std::string_view value) { tag(field, 2), varint(value.size()), bytes += value; }
  void real(int field, f64 value) { tag(field, 1), fixed(std::bit_cast<std::uint64_t>(value)); }
  void real(int field, f32 value) { tag(field, 5), fixed(std::bit_cast<std::uint32_t>(value)); }

 private:
  template <class N>
  void fixed(N n) {
    for (std::size_t i = 0; i < sizeof n; ++i) bytes += char(n >> 8 * i & 0xff);
  }
};

/// "loss" -> "train/loss", "eval_loss" -> "eval/loss". (integrations.rewrite_logs)
inline std::string tensorboard_tag(std::string_view name) {
  for (const std::string_view split : {"eval", "test"})
    if (name.starts_with(cat(split, "_"))) return cat(split, "/", name.substr(split.size() + 1));
  return cat("train/", name);
}

/// An Event with the numbers of `logs`.
inline std::string scalar_event(f64 wall_time, i64 step, const json& logs) {
  protobuf_message summary, event;
  for (const auto& [key, value] : logs.items()) {
    if (!value.is_number()) continue;
    protobuf_message scalar;
    scalar.text(1, tensorboard_tag(key));
    scalar.real(2, value.get<f32>());
    summary.text(1, scalar.bytes);
  }
  event.real(1, wall_time);
  event.integer(2, step);
  event.text(5, summary.bytes);
  return std::move(event.bytes);
}

}  // namespace detail

/// Writes `folder`/events.out.tfevents.TIME.HOST.PID with all numbers that are logged.
class TensorBoardCallback final : public TrainerCallback {
 public:
  explicit TensorBoardCallback(const std::filesystem::path& folder) : file_(folder / file_name()) {}

  void on_log(const TrainingArguments&, const TrainerState& state, TrainerControl&, const json& logs) override {
    if (!file_.opened()) {
      detail::protobuf_message event;
      event.real(1, now());
      event.text(3, "brain.Event:2");
      file_.append(detail::tf_record(event.bytes));
    }
    file_.append(detail::tf_record(detail::scalar_event(now(), state.global_step, logs)));
  }
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  static f64 now() { return std::chrono::duration<f64>(std::chrono::system_clock::now().time_since_epoch()).count(); }
  static std::string file_name() {
    char host[256] = "localhost";
    (void)::gethostname(host, sizeof host - 1);
    return detail::cat("events.out.tfevents.", i64(now()), ".", host, ".", i64(::getpid()), ".0");
  }
  detail::log_file file_;
};

}  // namespace hft
