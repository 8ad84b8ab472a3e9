// Loss curves: points, gaps, axes, legends, what XML cannot hold; the callback; paths that cannot be written.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <hft/train/callbacks/loss_curve.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(loss_curves)

namespace {

// What a picture has between a tag's beginning and its end, of each such tag.
std::vector<std::string> elements(const std::string& svg, std::string_view begin, std::string_view end) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = svg.find(begin, at)) != svg.npos;) {
    at += begin.size();
    out.push_back(svg.substr(at, svg.find(end, at) - at));
  }
  return out;
}

std::vector<std::string> texts(const std::string& svg) {
  auto all = elements(svg, "<text ", "</text>");
  for (auto& t : all) t.erase(0, t.find('>') + 1);
  return all;
}

bool has(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// The points of each polyline of a curve.
std::vector<isize> lengths(const std::string& svg, std::string_view name) {
  std::vector<isize> out;
  for (const auto& group : elements(svg, detail::cat("<g class=\"", name, "\""), "</g>"))
    for (const auto& points : elements(group, " points=\"", "\""))
      out.push_back(std::count(points.begin(), points.end(), ','));
  return out;
}

isize circles(const std::string& svg, std::string_view name) {
  isize n = 0;
  for (const auto& group : elements(svg, detail::cat("<g class=\"", name, "\""), "</g>"))
    n += isize(elements(group, "<circle", ">").size());
  return n;
}

/// Tags that close what is open, attributes in quotes, entities that XML has, no other `<` or `&`; one root.
bool well_formed(const std::string& xml) {
  std::vector<std::string> open;
  isize roots = 0;
  for (std::size_t i = 0; i < xml.size(); ++i) {
    if (xml[i] == '&') {
      const auto rest = std::string_view(xml).substr(i);
      if (!rest.starts_with("&amp;") && !rest.starts_with("&lt;") && !rest.starts_with("&gt;") &&
          !rest.starts_with("&quot;"))
        return false;
    }
    if (static_cast<unsigned char>(xml[i]) < ' ' && xml[i] != '\n' && xml[i] != '\t' && xml[i] != '\r') return false;
    if (xml[i] != '<') continue;
    const auto end = xml.find('>', i);
    if (end == xml.npos) return false;
    const std::string tag = xml.substr(i + 1, end - i - 1);
    if (tag.find('<') != tag.npos || std::count(tag.begin(), tag.end(), '"') % 2) return false;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else {
      if (open.empty()) ++roots;
      if (tag.back() != '/') open.push_back(tag.substr(0, tag.find(' ')));
    }
    i = end;
  }
  return open.empty() && roots == 1 && detail::valid_utf8(xml);
}

std::string picture(const std::vector<json>& log, const LossCurveOptions& options = {}) {
  const auto svg = loss_curve(log, options);
  BOOST_TEST(well_formed(svg), svg);
  for (const char* never : {"nan", "inf"})
    for (const auto& shape : {"<line", "<polyline", "<circle", "<text"})
      for (const auto& e : elements(svg, shape, ">")) BOOST_TEST(e.find(never) == e.npos, e);
  BOOST_TEST(svg == loss_curve(log, options));
  return svg;
}

const f64 none = std::numeric_limits<f64>::quiet_NaN();

std::filesystem::path scratch(const char* name) {
  return std::filesystem::temp_directory_path() / ("hft_curves_" + std::to_string(::getpid())) / name;
}

}  // namespace

BOOST_AUTO_TEST_CASE(losses_by_step_beside_the_learning_rate) {
  std::vector<json> log;
  for (isize step = 10; step <= 100; step += 10) {
    log.push_back({{"loss", 4 - 0.03 * f64(step)}, {"learning_rate", 5e-5 * f64(step) / 100}, {"step", step}});
    if (step % 50 == 0) log.push_back({{"eval_loss", 3.5}, {"eval_runtime", 1.0}, {"step", step}});
    if (step == 100) log.push_back({{"eval_books_loss", 2.5}, {"step", step}});
  }
  log.push_back({{"train_loss", 2.0}, {"step", 100}});
  const auto svg = picture(log, {.title = "a run"});
  BOOST_TEST((lengths(svg, "loss") == std::vector<isize>{10}));
  BOOST_TEST((lengths(svg, "learning_rate") == std::vector<isize>{10}));
  BOOST_TEST((lengths(svg, "eval_loss") == std::vector<isize>{2}));
  BOOST_TEST(circles(svg, "loss") == 0);
  BOOST_TEST(circles(svg, "eval_loss") == 2);
  BOOST_TEST(circles(svg, "eval_books_loss") == 1);
  const auto all = texts(svg);
  for (const char* text : {"a run", "step", "loss", "learning rate", "eval_loss", "eval_books_loss", "learning_rate",
                           "1.0", "4.0", "0", "100", "1e-05", "5e-05"})
    BOOST_TEST(has(all, text), text);
  BOOST_TEST(!has(all, "train_loss"));
  // The first value of the loss, 3.7 of an axis from 1 to 4 in a picture of 480; the last of its axis from 0 to 100.
  const auto points = elements(elements(svg, "<g class=\"loss\"", "</g>").at(0), " points=\"", "\"").at(0);
  BOOST_TEST(points.starts_with("135,79 "), points);
  BOOST_TEST(points.ends_with(" 720,430"), points);

  const auto without = picture(log, {.learning_rate = false});
  BOOST_TEST(lengths(without, "learning_rate").empty());
  BOOST_TEST(!has(texts(without), "learning rate"));
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_a_gap) {
  std::vector<json> log;
  const json values[] = {3.0, 2.5, none, 2.0, nullptr, 1.5, 1.25, 1.0, std::numeric_limits<f64>::infinity(), "bad"};
  for (isize i = 0; i < isize(std::size(values)); ++i) log.push_back({{"loss", values[i]}, {"step", i + 1}});
  const auto svg = picture(log);
  BOOST_TEST((lengths(svg, "loss") == std::vector<isize>{2, 3}));
  BOOST_TEST(circles(svg, "loss") == 1);
}

BOOST_AUTO_TEST_CASE(few_values_and_strange_ones) {
  for (const auto& log : {std::vector<json>{}, std::vector<json>{{{"loss", none}, {"step", 1}}},
                          std::vector<json>{{{"loss", 1.0}}, 7, nullptr, {{"train_loss", 1.0}, {"step", 3}}}}) {
    const auto svg = picture(log);
    BOOST_TEST(has(texts(svg), "no loss was logged"));
    BOOST_TEST(lengths(svg, "loss").empty());
  }
  const auto one = picture({{{"loss", 2.0}, {"step", 7}}});
  BOOST_TEST(circles(one, "loss") == 1);
  BOOST_TEST(lengths(one, "loss").empty());
  BOOST_TEST(!has(texts(one), "no loss was logged"));
  BOOST_TEST(has(texts(one), "7"));  // whole steps, if there is but one
  BOOST_TEST(!has(texts(one), "6.5"));
  for (const auto& values : {std::vector<f64>{0, 0, 0},
                             {1e99, -1e99, 1},
                             {1e300, 2, 1},
                             {5e-324, 0, 1e-320},
                             {1e10, 1e10 + 1e-5, 1e10},
                             {-3, -2, -1},
                             {1e-9, 2e-9, 5e-9}}) {
    std::vector<json> log;
    for (std::size_t i = 0; i < values.size(); ++i) log.push_back({{"loss", values[i]}, {"step", i}});
    BOOST_TEST(picture(log).size() < 10000u);
  }
}

BOOST_AUTO_TEST_CASE(names_and_titles_are_escaped) {
  const auto svg =
      picture({{{"eval_<a>&\"b\"_loss", 2.0}, {"step", 1}}}, {.title = "a < b & \"c\"\x01 \xff \xef\xbf\xbf"});
  BOOST_TEST(has(texts(svg), "a &lt; b &amp; &quot;c&quot;\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd"));
  BOOST_TEST(has(texts(svg), "eval_&lt;a&gt;&amp;&quot;b&quot;_loss"));
}

BOOST_AUTO_TEST_CASE(it_is_written_whole_or_not_at_all) {
  std::filesystem::remove_all(scratch("x").parent_path());
  const std::vector<json> log{{{"loss", 2.0}, {"step", 1}}, {{"loss", 1.0}, {"step", 2}}};
  const auto path = scratch("runs") / "loss_curve.svg";
  save_loss_curve(log, path, {.title = "t"});
  BOOST_TEST(read_text(path) == loss_curve(log, {.title = "t"}));
  TrainerState state;
  state.log_history = {log[0]};
  TrainerControl control;
  LossCurveCallback(path, {.title = "t"}).on_train_end({}, state, control);
  BOOST_TEST(read_text(path) == loss_curve(state.log_history, {.title = "t"}));
  BOOST_CHECK_THROW(save_loss_curve(log, "/proc/nowhere/loss_curve.svg"), file_error);
  BOOST_CHECK_THROW(save_loss_curve(log, path.parent_path()), file_error);  // a folder
  BOOST_CHECK_THROW(save_loss_curve(log, path / "below_a_file.svg"), file_error);
  BOOST_CHECK_THROW(loss_curve(log, {.width = 100}), value_error);
  isize files = 0;
  for (const auto& f : std::filesystem::directory_iterator(path.parent_path())) ++files, (void)f;
  BOOST_TEST(files == 1);
  BOOST_TEST(read_text(path) == loss_curve(state.log_history, {.title = "t"}));
  std::filesystem::remove_all(scratch("x").parent_path());
}

BOOST_AUTO_TEST_SUITE_END()
