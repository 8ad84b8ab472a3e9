// hft/io/mapped_file.hpp: maps, whole files, and writes that are all or nothing.
#include "hft/io/mapped_file.hpp"

#include <sys/stat.h>

#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(mapped_file_)

BOOST_AUTO_TEST_CASE(maps_a_file) {
  temporary_folder folder;
  write_file_atomically(folder / "f", "some bytes");
  const auto file = mapped_file::open(folder / "f");
  BOOST_TEST(file->text() == "some bytes");
  BOOST_TEST(file->size() == 10u);
  for (const auto hint : {access_hint::normal, access_hint::sequential, access_hint::random, access_hint::will_need})
    file->advise(hint);
  file->advise(access_hint::will_need, file->bytes().subspan(3, 2));
  fs::remove(folder / "f");
  BOOST_TEST(file->text() == "some bytes");  // the mapping outlives the name
}

BOOST_AUTO_TEST_CASE(an_empty_file_is_an_empty_span) {
  temporary_folder folder;
  write_file_atomically(folder / "f", "");
  const auto file = mapped_file::open(folder / "f");
  BOOST_TEST(file->bytes().empty());
  file->advise(access_hint::will_need);
  BOOST_TEST(read_text(folder / "f").empty());
}

BOOST_AUTO_TEST_CASE(what_is_no_regular_file_is_refused) {
  temporary_folder folder;
  check_fails<file_error>([&] { mapped_file::open(folder / "absent"); }, {"absent", "No such file"});
  check_fails<file_error>([&] { mapped_file::open(folder.path()); }, {"a regular file", "a folder"});
  BOOST_REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  check_fails<file_error>([&] { read_text(folder / "pipe"); }, {"a regular file", "a special file"});
}

BOOST_AUTO_TEST_CASE(what_can_be_opened_is_there) {
  temporary_folder folder;
  write_file_atomically(folder / "f", "");
  fs::create_symlink("absent", folder / "link");
  fs::create_symlink("loop", folder / "loop");
  BOOST_TEST(detail::is_there(folder / "f"));
  BOOST_TEST(!detail::is_there(folder / "absent"));
  BOOST_TEST(!detail::is_there(folder / "f/below"));
  BOOST_TEST(!detail::is_there(folder / "link"));
  BOOST_TEST(detail::is_there(folder / "link", true));
  BOOST_TEST(detail::is_there(folder / "loop"));  // opening it says what is wrong
  check_fails<file_error>([&] { read_text(folder / "loop"); }, {"loop", "cannot open"});
}

BOOST_AUTO_TEST_CASE(read_text_is_bounded) {
  temporary_folder folder;
  write_file_atomically(folder / "f", "0123456789");
  BOOST_TEST(read_text(folder / "f", 10) == "0123456789");
  check_fails<file_error>([&] { read_text(folder / "f", 9); }, {"at most 9 bytes", "got 10 bytes"});
}

BOOST_AUTO_TEST_CASE(a_write_replaces_the_whole_file) {
  temporary_folder folder;
  write_file_atomically(folder / "f", "old and long");
  const auto old = mapped_file::open(folder / "f");
  write_file_atomically(folder / "f", "new");
  BOOST_TEST(read_text(folder / "f") == "new");
  BOOST_TEST(old->text() == "old and long");  // who maps the old file keeps it
  BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

BOOST_AUTO_TEST_CASE(an_abandoned_write_leaves_nothing) {
  temporary_folder folder;
  write_file_atomically(folder / "f", "old");
  {
    atomic_writer file(folder / "f");
    file.write(std::string_view("half"));
    BOOST_TEST(file.position() == 4u);
    BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), {}) == 2);
  }
  BOOST_TEST(read_text(folder / "f") == "old");
  BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

BOOST_AUTO_TEST_CASE(a_failed_write_leaves_nothing) {
  temporary_folder folder;
  check_fails<file_error>([&] { write_file_atomically(folder / "absent/f", "x"); }, {"absent/f", "cannot write"});
  fs::create_directory(folder / "folder");
  check_fails<file_error>([&] { write_file_atomically(folder / "folder", "x"); }, {"cannot write"});
  BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

BOOST_AUTO_TEST_CASE(a_symbolic_link_is_replaced_and_its_target_kept) {
  temporary_folder folder;
  write_file_atomically(folder / "blob", "blob");
  fs::create_symlink("blob", folder / "link");
  write_file_atomically(folder / "link", "new");
  BOOST_TEST(read_text(folder / "blob") == "blob");
  BOOST_TEST(read_text(folder / "link") == "new");
}

BOOST_AUTO_TEST_CASE(a_device_or_pipe_is_written_in_place) {
  temporary_folder folder;
  const auto pipe = folder / "pipe";
  BOOST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const detail::file_descriptor reader(::open(pipe.c_str(), O_RDONLY | O_NONBLOCK));
  write_file_atomically(pipe, "bytes");
  {
    atomic_writer abandoned(pipe);
    abandoned.write(std::string_view("!"));
  }
  char read[16];
  BOOST_TEST(std::string(read, std::size_t(::read(reader.get(), read, sizeof read))) == "bytes!");
  BOOST_TEST(fs::is_fifo(pipe));
  BOOST_TEST(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  check_fails<file_error>([] { write_file_atomically("/dev/full", "x"); }, {"/dev/full", "cannot write"});
  BOOST_TEST(fs::is_character_file("/dev/full"));
}

BOOST_AUTO_TEST_SUITE_END()
