// What the tests of io/ share: golden files, a folder that vanishes, and checks of an error's type and text.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "hft/error.hpp"
#include "hft/io/mapped_file.hpp"

namespace io_test {

namespace fs = std::filesystem;

inline fs::path golden(const std::string& name) { return fs::path(HFT_TEST_DATA) / "io" / name; }
inline std::string contents(const fs::path& path) { return hft::read_text(path); }

/// A fresh folder, removed with all that is in it.
class temporary_folder {
 public:
  temporary_folder() {
    std::string name = (fs::temp_directory_path() / "hft_io_XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~temporary_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// An exact-size heap copy of some bytes, so that a sanitizer sees any read beyond them, with its owner.
struct buffer {
  explicit buffer(std::string_view text) : storage(std::make_shared<std::vector<std::byte>>(text.size())) {
    if (!text.empty()) std::memcpy(storage->data(), text.data(), text.size());
  }
  std::span<const std::byte> bytes() const { return *storage; }
  std::shared_ptr<std::vector<std::byte>> storage;
};

/// The bytes of a number as they stand in a file.
template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Checks that f() throws exactly E, with a text that has all of `parts`.
template <class E, class F>
void check_fails(F f, std::initializer_list<std::string_view> parts = {}) {
  try {
    f();
  } catch (const hft::error& e) {
    BOOST_TEST((typeid(e) == typeid(E)), "another type of error: " << typeid(e).name() << ": " << e.what());
    for (const auto part : parts)
      BOOST_TEST((std::string_view(e.what()).find(part) != std::string_view::npos),
                 "'" << part << "' is not in: " << e.what());
    return;
  }
  BOOST_ERROR("no error" << (parts.size() ? " with " + std::string(*parts.begin()) : ""));
}

}  // namespace io_test
