// Loss curves: what a run logged, as a picture (SVG 1.1): the losses of training and evaluation by step, and the
// learning rate. The text is the same for the same log, and needs no font, script or file beside it.
//
//   save_loss_curve(trainer.state().log_history, "out/runs/loss_curve.svg");
#pragma once
#include <filesystem>
#include <span>
#include <string>

#include <hft/dtype.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>

namespace hft {

struct LossCurveOptions {
  std::string title = "loss";
  isize width = 800, height = 480;  // of the picture, in pixels, at least 320 and 200
  bool learning_rate = true;        // on an axis of its own, at the right, where it was logged
};

/// The picture of TrainerState::log_history: objects with `step` and any of `loss`, `eval_loss`, `eval_NAME_loss`,
/// `learning_rate`. What is not finite (NaN, or null as files have it) is a gap in its line; a value between two gaps
/// is a dot. Without any value it says so. Throws value_error for a size below the least.
std::string loss_curve(std::span<const json> log_history, const LossCurveOptions& options = {});

/// Writes it, all or nothing; its folder is made where there is none. Throws file_error where that cannot be done.
void save_loss_curve(std::span<const json> log_history, const std::filesystem::path& path,
                     const LossCurveOptions& options = {});

}  // namespace hft

#if HFT_DEFINES(TRAIN)
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/utf8.hpp>

namespace hft {

namespace detail::curve {

struct point {
  f64 step = 0, value = 0;  // value: NaN for a gap
};

struct series {
  std::string name;
  std::vector<point> points = {};

  bool empty() const {
    return std::none_of(points.begin(), points.end(), [](const point& p) { return std::isfinite(p.value); });
  }
};

/// The values of a key, each with its step.
inline series series_of(std::span<const json> log_history, const std::string& key) {
  constexpr f64 largest = 1e100, least = 1e-100;  // beyond them, differences of values might be infinite or 0
  series out{key};
  for (const json& entry : log_history) {
    if (!entry.is_object() || !entry.contains(key)) continue;
    const json& value = entry.at(key);  // perhaps null
    const json* step = find_member(entry, "step");
    if (!step || !step->is_number()) continue;
    const f64 y = value.is_number() ? value.get<f64>() : std::nan(""), x = step->get<f64>();
    if (!(std::abs(x) < largest)) continue;
    out.points.push_back({x, std::abs(y) < least ? 0 : std::abs(y) < largest ? y : std::nan("")});
  }
  return out;
}

/// `loss`, then those of evaluations in the order in which they were first logged.
inline std::vector<series> losses_of(std::span<const json> log_history) {
  std::vector<std::string> names{"loss"};
  for (const json& entry : log_history) {
    if (!entry.is_object()) continue;
    for (const auto& [key, value] : entry.items())
      if (key.starts_with("eval_") && key.ends_with("_loss") &&
          std::find(names.begin(), names.end(), key) == names.end())
        names.push_back(key);
  }
  std::vector<series> out;
  for (const auto& name : names)
    if (auto s = series_of(log_history, name); !s.empty()) out.push_back(std::move(s));
  return out;
}

/// An axis from its first tick to its last, which are multiples of 1, 2 or 5 times a power of ten. (Heckbert, Nice
/// Numbers for Graph Labels, 1990)
class axis {
 public:
  /// For values from `low` to `high`, at most about so many ticks; `least`: no finer.
  axis(f64 low, f64 high, int ticks, f64 least = 0) {
    const f64 largest = std::max(std::abs(low), std::abs(high));
    if (!(high - low > largest * 1e-9)) {  // one value: some room around it
      const f64 room = largest == 0 ? 1 : largest * 0.1;
      low -= std::max(room, least), high += std::max(room, least);
    }
    const f64 raw = (high - low) / ticks, power = std::pow(10.0, std::floor(std::log10(raw)));
    const f64 share = raw / power;
    tick_ = std::max(power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10), least);
    first_ = std::floor(low / tick_ + 1e-9), last_ = std::ceil(high / tick_ - 1e-9);
  }
  int count() const { return int(last_ - first_) + 1; }
  f64 tick(int i) const { return (first_ + i) * tick_; }
  /// 0 at the first tick, 1 at the last.
  f64 place(f64 value) const { return (value / tick_ - first_) / (last_ - first_); }
  /// As short as tells ticks apart: 250, 0.05, 5e-05.
  std::string label(int i) const {
    const f64 value = tick(i);
    if (value == 0) return "0";
    const f64 most = std::max(std::abs(first_), std::abs(last_)) * tick_;
    const auto exponent = [](f64 x) { return int(std::floor(std::log10(x) + 1e-9)); };
    char buffer[64];
    char* end = buffer;
    if (most >= 1e-3 && most < 1e7)
      end =
          std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, std::max(0, -exponent(tick_)))
              .ptr;
    else
      end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific,
                          std::max(0, exponent(most) - exponent(tick_)))
                .ptr;
    return {buffer, end};
  }

 private:
  f64 tick_, first_, last_;  // the ends in ticks
};

inline axis axis_over(std::span<const series> all, f64 point::*of, int ticks, f64 least = 0) {
  f64 low = std::numeric_limits<f64>::infinity(), high = -low;
  for (const series& s : all)
    for (const point& p : s.points)
      if (std::isfinite(p.value)) low = std::min(low, p.*of), high = std::max(high, p.*of);
  return low <= high ? axis(low, high, ticks, least) : axis(0, 1, ticks, least);
}

/// Text as XML has it: what its characters may not be is U+FFFD.
inline std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t bad = std::min(find_invalid_utf8(text), text.size());
    for (const char c : text.substr(0, bad)) {
      switch (c) {
        case '&':
          out += "&amp;";
          break;
        case '<':
          out += "&lt;";
          break;
        case '>':
          out += "&gt;";
          break;
        case '"':
          out += "&quot;";
          break;
        default:
          if (static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\n' && c != '\r')
            out += "\xef\xbf\xbd";
          else
            out += c;
      }
    }
    if (bad == text.size()) break;
    out += "\xef\xbf\xbd";
    text.remove_prefix(bad + 1);
  }
  for (const char* none : {"\xef\xbf\xbe", "\xef\xbf\xbf"})  // U+FFFE and U+FFFF
    for (std::size_t at; (at = out.find(none)) != out.npos;) out[at + 2] = '\xbd';
  return out;
}

/// A picture that grows element by element.
class drawing {
 public:
  drawing(const LossCurveOptions& o, bool right_axis)
      : left_(70), right_(f64(o.width) - (right_axis ? 80 : 20)), top_(40), bottom_(f64(o.height) - 50) {
    out_ = cat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", o.width, "\" height=\"", o.height,
               "\" viewBox=\"0 0 ", o.width, " ", o.height,
               "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n<rect width=\"", o.width, "\" height=\"",
               o.height, "\" fill=\"#fff\"/>\n");
    text((left_ + right_) / 2, 22, "middle", o.title, " font-size=\"15\" class=\"title\"");
  }

  void text(f64 x, f64 y, const char* anchor, std::string_view what, std::string_view more = "") {
    out_ += cat("<text x=\"", number(x), "\" y=\"", number(y), "\" text-anchor=\"", anchor, "\"", more, ">",
                escaped(what), "</text>\n");
  }
  void line(f64 x1, f64 y1, f64 x2, f64 y2, std::string_view stroke) {
    out_ += cat("<line x1=\"", number(x1), "\" y1=\"", number(y1), "\" x2=\"", number(x2), "\" y2=\"", number(y2),
                "\" stroke=\"", stroke, "\"/>\n");
  }

  void steps(const axis& x) {
    for (int i = 0; i < x.count(); ++i) {
      const f64 at = across(x, x.tick(i));
      line(at, bottom_, at, bottom_ + 5, "#333");
      text(at, bottom_ + 18, "middle", x.label(i));
    }
    line(left_, bottom_, right_, bottom_, "#333");
    text((left_ + right_) / 2, bottom_ + 38, "middle", "step");
  }
  void values(const axis& y, std::string_view name, bool at_right) {
    const f64 side = at_right ? right_ : left_, out = at_right ? 5 : -5;
    for (int i = 0; i < y.count(); ++i) {
      const f64 at = up(y, y.tick(i));
      if (!at_right) line(left_, at, right_, at, "#ddd");
      line(side, at, side + out, at, "#333");
      text(side + 1.6 * out, at + 4, at_right ? "start" : "end", y.label(i));
    }
    line(side, top_, side, bottom_, "#333");
    const f64 x = at_right ? side + 70 : side - 55, middle = (top_ + bottom_) / 2;
    text(x, middle, "middle", name, cat(" transform=\"rotate(-90 ", number(x), " ", number(middle), ")\""));
  }
  /// Lines through what lies between gaps; `dots`: with a dot for each value.
  void curve(const series& s, const axis& x, const axis& y, std::string_view colour, bool dots, bool dashed) {
    const std::string group = escaped(s.name);
    out_ += cat("<g class=\"", group, "\" stroke=\"", colour, "\" fill=\"", colour, "\">\n");
    for (auto from = s.points.begin(); from != s.points.end();) {
      auto to = std::find_if(from, s.points.end(), [](const point& p) { return !std::isfinite(p.value); });
      if (to - from > 1) {
        out_ += "<polyline fill=\"none\" stroke-width=\"1.5\"";
        if (dashed) out_ += " stroke-dasharray=\"5 4\"";
        out_ += " points=\"";
        for (auto p = from; p != to; ++p)
          out_ += cat(p == from ? "" : " ", number(across(x, p->step)), ",", number(up(y, p->value)));
        out_ += "\"/>\n";
      }
      if (dots || to - from == 1)
        for (auto p = from; p != to; ++p)
          out_ +=
              cat("<circle cx=\"", number(across(x, p->step)), "\" cy=\"", number(up(y, p->value)), "\" r=\"2.5\"/>\n");
      from = to == s.points.end() ? to : to + 1;
    }
    out_ += "</g>\n";
  }
  /// The name of a curve, below those before it.
  void legend(int row, const std::string& name, std::string_view colour, bool dashed) {
    const f64 y = top_ + 12 + 16 * row, x = right_ - 12;
    out_ += cat("<line x1=\"", number(x - 22), "\" y1=\"", number(y), "\" x2=\"", number(x), "\" y2=\"", number(y),
                "\" stroke=\"", colour, "\" stroke-width=\"2\"", dashed ? " stroke-dasharray=\"5 4\"" : "", "/>\n");
    text(x - 28, y + 4, "end", name, " class=\"legend\"");
  }
  void say(std::string_view what) { text((left_ + right_) / 2, (top_ + bottom_) / 2, "middle", what); }
  std::string take() { return std::move(out_) + "</svg>\n"; }

 private:
  f64 across(const axis& x, f64 step) const { return left_ + x.place(step) * (right_ - left_); }
  f64 up(const axis& y, f64 value) const { return bottom_ - y.place(value) * (bottom_ - top_); }
  // Hundredths of a pixel, without the zeros at the end.
  static std::string number(f64 x) { return cat(std::round(x * 100) / 100); }

  f64 left_, right_, top_, bottom_;
  std::string out_;
};

}  // namespace detail::curve

HFT_INLINE_ONCE std::string loss_curve(std::span<const json> log_history, const LossCurveOptions& options) {
  namespace curve = detail::curve;
  if (options.width < 320 || options.height < 200)
    throw value_error("loss_curve", "width and height", "at least 320 and 200",
                      detail::joined(options.width, " and ", options.height));
  static constexpr std::string_view colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b"};
  constexpr std::string_view rate_colour = "#999";
  const auto losses = curve::losses_of(log_history);
  const auto rate = curve::series_of(log_history, "learning_rate");
  const bool has_rate = options.learning_rate && !rate.empty();

  auto all = losses;
  if (has_rate) all.push_back(rate);
  curve::drawing out(options, has_rate);
  const int across = int(std::max<isize>(options.width / 100, 3)), up = int(std::max<isize>(options.height / 70, 2));
  const auto x = curve::axis_over(all, &curve::point::step, across, 1);  // steps are whole
  const auto y = curve::axis_over(losses, &curve::point::value, up);
  out.values(y, "loss", false);
  out.steps(x);  // over the lines of the lowest value
  if (has_rate) {
    const auto right = curve::axis_over(std::span(&rate, 1), &curve::point::value, up);
    out.values(right, "learning rate", true);
    out.curve(rate, x, right, rate_colour, false, true);
  }
  int row = 0;
  for (const auto& s : losses) {
    const auto colour = colours[std::size_t(row) % std::size(colours)];
    out.curve(s, x, y, colour, s.name != "loss", false);
    out.legend(row++, s.name, colour, false);
  }
  if (has_rate) out.legend(row, "learning_rate", rate_colour, true);
  if (all.empty()) out.say("no loss was logged");
  return out.take();
}

HFT_INLINE_ONCE void save_loss_curve(std::span<const json> log_history, const std::filesystem::path& path,
                                     const LossCurveOptions& options) {
  const std::string picture = loss_curve(log_history, options);
  std::error_code ignored;  // of a folder that cannot be made the writer says so
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
  write_file_atomically(path, picture);
}

}  // namespace hft

#endif  // HFT_DEFINES
