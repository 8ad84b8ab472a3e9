// to_dlpack and from_dlpack: the same memory on both sides, let go once, and never by mistake.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <hft/dlpack.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/io/safetensors_writer.hpp>

using namespace hft;
using namespace hft::dlpack;

BOOST_AUTO_TEST_SUITE(dlpack_exchange)

namespace {

Tensor<f32, 3> counted() {
  Tensor<f32, 3> t({2, 3, 4});
  std::iota(t.data(), t.data() + t.size(), 0.0f);
  return t;
}

// What to_dlpack gave, deleted at the end of a test.
template <class Managed>
struct taken {
  Managed* p;
  explicit taken(Managed* managed) : p(managed) {}
  taken(const taken&) = delete;
  taken& operator=(const taken&) = delete;
  ~taken() { p->deleter(p); }
  const DLTensor& tensor() const { return p->dl_tensor; }
};

// Another library's (2,3) tensor of f32, which counts how often it is deleted. The managed tensor is on the heap, so
// that a sanitizer sees it deleted twice or never.
struct other_library {
  int deleted = 0;
  std::vector<f32> values{0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<std::int64_t> shape{2, 3}, strides{3, 1};

  template <class Managed = DLManagedTensorVersioned>
  Managed* give() {
    auto* m = new Managed{};
    m->dl_tensor = {values.data(), {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape.data(), strides.data(), 0};
    m->manager_ctx = this;
    m->deleter = [](Managed* self) {
      ++static_cast<other_library*>(self->manager_ctx)->deleted;
      delete self;
    };
    if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) m->version = {1, 0};
    return m;
  }
};

template <class T>
void round_trip(DLDataTypeCode code) {
  Tensor<T, 2> t({3, 2});
  std::fill_n(reinterpret_cast<u8*>(t.data()), t.bytes(), u8(1));
  auto* managed = to_dlpack(t);
  BOOST_TEST(int(managed->dl_tensor.dtype.code) == int(code));
  BOOST_TEST(std::size_t(managed->dl_tensor.dtype.bits) == 8 * sizeof(T));
  BOOST_TEST(managed->dl_tensor.dtype.lanes == 1);
  const auto back = from_dlpack<T, 2>(managed);
  BOOST_TEST(back.data() == t.data());
  BOOST_TEST((back.shape() == t.shape()));
}

template <class Error, class F>
void fails(const F& f, const std::string& text) {
  BOOST_CHECK_EXCEPTION(f(), Error, [&](const Error& e) {
    BOOST_TEST_INFO(e.what());
    BOOST_CHECK_EQUAL(std::string(e.what()), text);
    return true;
  });
}

// from_dlpack of the other library's tensor after `change` fails with this text, and deletes it once.
template <class Error, class Change>
void refuses(const Change& change, const std::string& text) {
  other_library other;
  auto* managed = other.give();
  change(other, *managed);
  fails<Error>([&] { from_dlpack<f32, 2>(managed); }, "[from_dlpack] " + text);
  BOOST_TEST(other.deleted == 1, text);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_dtype_goes_both_ways) {
  round_trip<f64>(kDLFloat);
  round_trip<f32>(kDLFloat);
  round_trip<f16>(kDLFloat);
  round_trip<bf16>(kDLBfloat);
  round_trip<i64>(kDLInt);
  round_trip<i32>(kDLInt);
  round_trip<i16>(kDLInt);
  round_trip<i8>(kDLInt);
  round_trip<u8>(kDLUInt);
  round_trip<bool>(kDLBool);
}

BOOST_AUTO_TEST_CASE(a_view_has_its_strides) {
  auto t = counted();
  auto part = t.slice(2, 1, 3).permute({1, 0, 2});
  const taken<DLManagedTensorVersioned> out(to_dlpack(part));
  const DLTensor& d = out.tensor();
  BOOST_TEST(out.p->version.major == 1u);
  BOOST_TEST(out.p->flags == 0u);
  BOOST_TEST(d.device.device_type == kDLCPU);
  BOOST_TEST(d.data == t.data() + 1);
  BOOST_TEST(d.byte_offset == 0u);
  BOOST_TEST(std::vector<std::int64_t>(d.shape, d.shape + d.ndim) == (std::vector<std::int64_t>{3, 2, 2}),
             boost::test_tools::per_element());
  BOOST_TEST(std::vector<std::int64_t>(d.strides, d.strides + d.ndim) == (std::vector<std::int64_t>{4, 12, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_other_side_keeps_the_memory) {
  auto t = counted();
  const f32* data = t.data();
  auto* first = to_dlpack(t);
  auto* second = to_dlpack(t);
  BOOST_TEST(!t.memory().unique());
  first->deleter(first);
  t = Tensor<f32, 3>();
  BOOST_TEST(second->dl_tensor.data == data);
  BOOST_TEST(data[23] == 23);
  const auto back = from_dlpack<f32, 3>(second);
  BOOST_TEST(back.data() == data);
  BOOST_TEST(back.memory().unique());
}

BOOST_AUTO_TEST_CASE(memory_is_let_go_when_the_other_side_is_done) {
  auto t = counted();
  auto* out = to_dlpack(t);
  out->deleter(out);
  BOOST_TEST(t.memory().unique());
  auto* unversioned = to_dlpack_unversioned(t);
  BOOST_TEST(!t.memory().unique());
  unversioned->deleter(unversioned);
  BOOST_TEST(t.memory().unique());
}

BOOST_AUTO_TEST_CASE(what_was_given_is_deleted_with_its_last_tensor) {
  other_library other;
  auto* managed = other.give();
  auto t = from_dlpack<f32, 2>(managed);
  BOOST_TEST(t.data() == other.values.data());
  auto row = t[1];
  t = Tensor<f32, 2>();
  BOOST_TEST(other.deleted == 0);
  BOOST_TEST(row[2] == 5);
  auto* onward = to_dlpack(row);  // hands the other library's memory on
  row = Tensor<f32, 1>();
  BOOST_TEST(other.deleted == 0);
  onward->deleter(onward);
  BOOST_TEST(other.deleted == 1);
}

BOOST_AUTO_TEST_CASE(what_is_written_is_seen_on_the_other_side) {
  other_library other;
  const auto t = from_dlpack<f32, 2>(other.give<DLManagedTensor>());
  t.data()[4] = -1;
  BOOST_TEST(other.values[4] == -1);
}

BOOST_AUTO_TEST_CASE(a_deleter_may_be_missing) {
  other_library other;
  DLManagedTensorVersioned managed{};
  auto* given = other.give();
  managed = *given;
  given->deleter(given);
  managed.deleter = nullptr;
  BOOST_TEST((from_dlpack<f32, 2>(&managed).data()) == other.values.data());
}

BOOST_AUTO_TEST_CASE(the_unversioned_goes_both_ways) {
  auto t = counted();
  const auto back = from_dlpack<f32, 3>(to_dlpack_unversioned(t));
  BOOST_TEST(back.data() == t.data());
  other_library other;
  from_dlpack<f32, 2>(other.give<DLManagedTensor>());
  BOOST_TEST(other.deleted == 1);
  auto* wrong = other.give<DLManagedTensor>();
  fails<format_error>([&] { from_dlpack<i64, 2>(wrong); }, "[from_dlpack] dtype: expected i64, got f32");
  BOOST_TEST(other.deleted == 2);
}

BOOST_AUTO_TEST_CASE(constants_are_read_only) {
  auto t = counted();
  BOOST_TEST(taken(to_dlpack(std::as_const(t))).p->flags == flag_read_only);
  BOOST_TEST(taken(to_dlpack(t)).p->flags == 0u);
  BOOST_TEST(taken(to_dlpack(counted())).p->flags == 0u);
}

BOOST_AUTO_TEST_CASE(mapped_weights_are_read_only) {
  const auto file = std::filesystem::temp_directory_path() / ("hft_dlpack_" + std::to_string(::getpid()));
  const auto t = counted();
  write_safetensors(file, {{{"w", dtype_id::f32, {6, 4}, std::as_bytes(std::span(t.data(), 24)), nullptr}}}, {});
  const auto stored = safetensors_file::open(file).tensors()[0];
  std::filesystem::remove(file);
  auto w = Tensor<any_q, 2>::wrap(buffer::share(stored.owner, stored.bytes.data(), stored.bytes.size(), stored.mapped),
                                  stored.bytes.data(), {6, 4});
  BOOST_TEST(taken(to_dlpack(w)).p->flags == flag_read_only);
  auto row = w.slice(0, 5, 6);
  BOOST_TEST(taken(to_dlpack(row)).p->flags == flag_read_only);
  auto copy = w.clone();
  BOOST_TEST(taken(to_dlpack(copy)).p->flags == 0u);
  fails<value_error>([&] { (void)to_dlpack_unversioned(w); },
                     "[to_dlpack_unversioned] the tensor: expected memory that may be written to, since it cannot say "
                     "more, got a read-only one");
  // The mapping lives as long as what was handed out.
  auto* out = to_dlpack(w);
  w = Tensor<any_q, 2>();
  row = w;
  const auto back = from_dlpack<f32, 2>(out);
  BOOST_TEST(back[5][3] == 23);
}

BOOST_AUTO_TEST_CASE(read_only_memory_stays_so) {
  other_library other;
  auto* managed = other.give();
  managed->flags = flag_read_only | flag_is_copied;
  auto t = from_dlpack<f32, 2>(managed);
  BOOST_TEST(t.memory().read_only());
  auto row = t[0];
  BOOST_TEST(taken(to_dlpack(row)).p->flags == flag_read_only);
  BOOST_TEST(!(from_dlpack<f32, 2>(other.give()).memory().read_only()));
}

BOOST_AUTO_TEST_CASE(a_tensor_without_elements_has_no_memory) {
  Tensor<i64, 2> t({0, 5});
  auto* out = to_dlpack(t);
  BOOST_TEST(out->dl_tensor.data == nullptr);
  const auto back = from_dlpack<i64, 2>(out);
  BOOST_TEST((back.shape() == Shape<2>{0, 5}));

  other_library other;
  other.shape = {2, 0}, other.strides = {7, 9};
  auto* managed = other.give();
  managed->dl_tensor.data = nullptr;
  BOOST_TEST((from_dlpack<f32, 2>(managed).size()) == 0);
  BOOST_TEST(other.deleted == 1);
}

BOOST_AUTO_TEST_CASE(offsets_and_strides_that_say_nothing) {
  other_library other;
  auto* managed = other.give();
  managed->dl_tensor.byte_offset = 8;
  managed->dl_tensor.strides = nullptr;  // as before version 1.2
  BOOST_TEST((from_dlpack<f32, 2>(managed)[0][0]) == 2);

  other.shape = {1, 3}, other.strides = {99, 1};  // of an extent of 1
  BOOST_TEST((from_dlpack<f32, 2>(other.give()).shape() == Shape<2>{1, 3}));
  BOOST_TEST(other.deleted == 2);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_and_deleted) {
  using other_t = other_library;
  using given = DLManagedTensorVersioned;
  refuses<format_error>([](other_t&, given& m) { m.version = {2, 1}; }, "version: expected 1.x, got 2.1");
  refuses<format_error>(
      [](other_t&, given& m) {
        m.dl_tensor.device = {kDLCUDA, 1};
      },
      "device: expected cpu:0, got cuda:1");
  refuses<format_error>(
      [](other_t&, given& m) {
        m.dl_tensor.device = {DLDeviceType(77), 0};
      },
      "device: expected cpu:0, got device_type 77:0");
  refuses<format_error>(
      [](other_t&, given& m) {
        m.dl_tensor.dtype = {kDLInt, 64, 1};
      },
      "dtype: expected f32, got i64");
  refuses<format_error>(
      [](other_t&, given& m) {
        m.dl_tensor.dtype = {kDLBfloat, 16, 1};
      },
      "dtype: expected f32, got bf16");
  refuses<format_error>(
      [](other_t&, given& m) {
        m.dl_tensor.dtype = {kDLComplex, 64, 1};
      },
      "dtype: expected f32, got complex64");
  refuses<format_error>(
      [](other_t&, given& m) {
        m.dl_tensor.dtype = {17, 4, 1};
      },
      "dtype: expected f32, got type code 17 of bits 4");
  refuses<format_error>([](other_t&, given& m) { m.dl_tensor.dtype.lanes = 4; },
                        "dtype: expected f32, got f32 in vectors of 4");
  refuses<shape_error>([](other_t&, given& m) { m.dl_tensor.ndim = 1; },
                       "expected a tensor of 2 dimensions, got 1: (2)");
  refuses<shape_error>([](other_t&, given& m) { m.dl_tensor.ndim = 0, m.dl_tensor.shape = nullptr; },
                       "expected a tensor of 2 dimensions, got 0: ()");
  refuses<shape_error>([](other_t&, given& m) { m.dl_tensor.ndim = -2; },
                       "expected a tensor of 2 dimensions, got -2: ()");
  refuses<format_error>([](other_t&, given& m) { m.dl_tensor.shape = nullptr; }, "shape: expected 2 extents, got null");
  refuses<format_error>([](other_t&, given& m) { m.dl_tensor.data = nullptr; },
                        "data of shape (2, 3): expected memory, got null");
  refuses<format_error>([](other_t&, given& m) { m.dl_tensor.byte_offset = 2; },
                        "data: expected an address that is a multiple of 4, got one 2 bytes behind such");
  refuses<shape_error>(
      [](other_t& o, given&) {
        o.strides = {1, 2};
      },
      "strides of shape (2, 3): expected those of contiguous memory, got (1, 2)");
  refuses<shape_error>(
      [](other_t& o, given&) {
        o.strides = {4, 1};
      },
      "strides of shape (2, 3): expected those of contiguous memory, got (4, 1)");
  refuses<shape_error>(
      [](other_t& o, given&) {
        o.strides = {-3, 1};
      },
      "strides of shape (2, 3): expected those of contiguous memory, got (-3, 1)");

  other_library other;
  other.shape = {-2, 3};
  auto* managed = other.give();
  BOOST_CHECK_THROW((from_dlpack<f32, 2>(managed)), shape_error);
  BOOST_TEST(other.deleted == 1);
  fails<format_error>([] { from_dlpack<f32, 2>(static_cast<DLManagedTensorVersioned*>(nullptr)); },
                      "[from_dlpack] the managed tensor: expected one, got null");
}

BOOST_AUTO_TEST_CASE(what_dlpack_cannot_say_is_not_handed_out) {
  const auto blocks = Tensor<any_q, 2>::wrap(cpu::allocate(34), nullptr, {1, 32}, dtype_id::q8_0);
  fails<format_error>([&] { (void)to_dlpack(blocks); },
                      "[to_dlpack] dtype: expected one that DLPack has: no block format, got q8_0");
  BOOST_CHECK_THROW((void)to_dlpack(Tensor<f32, 2>::unallocated({2, 3})), weight_error);
  BOOST_TEST(!dtype_of({kDLFloat, 32, 2}));
  BOOST_TEST((dtype_of({kDLBool, 8, 1}) == dtype_id::boolean));
}

BOOST_AUTO_TEST_SUITE_END()
