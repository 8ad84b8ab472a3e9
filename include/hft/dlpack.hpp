// DLPack: tensors handed to other libraries, and taken from them, without a copy: numpy, PyTorch, JAX. Opt-in header.
//
//   dlpack::DLManagedTensorVersioned* out = to_dlpack(logits);  // whoever takes it calls its deleter
//   const auto ids = from_dlpack<i64, 2>(in);                   // ids own `in` from here on
//
// The structs have the names and the layout of the specification's dlpack.h, in a namespace of hft's own; a program
// that has that header, too, casts between the pointers. (https://dmlc.github.io/dlpack/latest/c_api.html, version 1.3)
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/device.hpp>
#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace dlpack {

/// Another major version is another layout; a minor one adds devices and dtypes.
struct DLPackVersion {
  std::uint32_t major, minor;
};
inline constexpr DLPackVersion version{1, 3};

enum DLDeviceType : std::int32_t {
  kDLCPU = 1,
  kDLCUDA = 2,
  kDLCUDAHost = 3,
  kDLOpenCL = 4,
  kDLVulkan = 7,
  kDLMetal = 8,
  kDLVPI = 9,
  kDLROCM = 10,
  kDLROCMHost = 11,
  kDLExtDev = 12,
  kDLCUDAManaged = 13,
  kDLOneAPI = 14
};
struct DLDevice {
  DLDeviceType device_type;
  std::int32_t device_id;
};

enum DLDataTypeCode : std::uint8_t {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLOpaqueHandle = 3,
  kDLBfloat = 4,
  kDLComplex = 5,
  kDLBool = 6
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;  // elements of a vector type; 1 where elements are numbers
};

struct DLTensor {
  void* data;  // null where there are no elements
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;      // in elements; before version 1.2 null for contiguous memory
  std::uint64_t byte_offset;  // of the first element, from data
};

/// What is exchanged by those who do not know versions: deprecated, and never read-only.
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);  // deletes self, too; may be null
};

inline constexpr std::uint64_t flag_read_only = 1, flag_is_copied = 2;  // DLPACK_FLAG_BITMASK_READ_ONLY, _IS_COPIED
/// What is exchanged. The members up to flags are the same in all major versions, so that it can be deleted.
struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned* self);  // deletes self, too; may be null
  std::uint64_t flags;
  DLTensor dl_tensor;
};
static_assert(sizeof(void*) != 8 ||
                  (sizeof(DLTensor) == 48 && offsetof(DLTensor, byte_offset) == 40 && sizeof(DLManagedTensor) == 64 &&
                   offsetof(DLManagedTensor, deleter) == 56 && sizeof(DLManagedTensorVersioned) == 80 &&
                   offsetof(DLManagedTensorVersioned, dl_tensor) == 32),
              "the layout of DLPack's structs is that of the specification");

/// DLPack's words for a dtype; nothing for block formats, for which it has none.
constexpr std::optional<DLDataType> data_type_of(dtype_id id) {
  if (info(id).block > 1) return {};
  DLDataTypeCode code = kDLInt;
  if (info(id).floating) code = id == dtype_id::bf16 ? kDLBfloat : kDLFloat;
  if (id == dtype_id::u8) code = kDLUInt;
  if (id == dtype_id::boolean) code = kDLBool;
  return DLDataType{code, std::uint8_t(info(id).bytes * 8), 1};
}
/// The dtype that DLPack's words mean; nothing where hft has none.
constexpr std::optional<dtype_id> dtype_of(DLDataType type) {
  for (const dtype_info& d : dtype_table) {
    const auto t = data_type_of(d.id);
    if (t && t->code == type.code && t->bits == type.bits && t->lanes == type.lanes) return d.id;
  }
  return {};
}

/// A tensor in the host's memory whose dtype and rank are run-time values; shape and strides in elements.
struct any_tensor {
  dtype_id dtype = dtype_id::f32;
  void* data = nullptr;
  std::vector<std::int64_t> shape, strides;
  buffer memory;           // what keeps data alive
  bool read_only = false;  // whether who gets it is to be told not to write to it; so it is for read-only memory

  any_tensor() = default;
  /// A dense one.
  any_tensor(dtype_id format, void* first, std::vector<std::int64_t> extents, buffer owner);
  template <class T, std::size_t Rank>
  explicit any_tensor(const Tensor<T, Rank>& t)
      : any_tensor(t.format(), t.data(), {t.shape().begin(), t.shape().end()}, t.memory()) {
    for (std::size_t d = 0; d < Rank; ++d) strides[d] = t.stride(d);
  }
};

}  // namespace dlpack

/// The tensor for another library, which calls the deleter once it needs it no more; until then the memory stays. No
/// copy: strides are the tensor's, and what one side writes the other sees. It is marked read-only where the tensor is
/// const, where its memory is a file's mapping, as that of weights is (clone() those to write to them), or came as
/// read-only by from_dlpack. Throws format_error for block formats, weight_error for a shape without memory.
[[nodiscard]] dlpack::DLManagedTensorVersioned* to_dlpack(dlpack::any_tensor t);
template <class T, std::size_t Rank>
[[nodiscard]] dlpack::DLManagedTensorVersioned* to_dlpack(const Tensor<T, Rank>& t) {
  dlpack::any_tensor erased(t);
  erased.read_only = true;
  return to_dlpack(std::move(erased));
}
template <class T, std::size_t Rank>
[[nodiscard]] dlpack::DLManagedTensorVersioned* to_dlpack(Tensor<T, Rank>& t) {
  return to_dlpack(dlpack::any_tensor(t));
}
template <class T, std::size_t Rank>
[[nodiscard]] dlpack::DLManagedTensorVersioned* to_dlpack(Tensor<T, Rank>&& t) {
  return to_dlpack(dlpack::any_tensor(t));
}

/// The same for those who do not know versions. Throws value_error, too, for what is read-only, which it cannot say.
[[nodiscard]] dlpack::DLManagedTensor* to_dlpack_unversioned(dlpack::any_tensor t);
template <class T, std::size_t Rank>
[[nodiscard]] dlpack::DLManagedTensor* to_dlpack_unversioned(Tensor<T, Rank>& t) {
  return to_dlpack_unversioned(dlpack::any_tensor(t));
}

namespace detail {

/// The memory of what another library gave, which `owner` deletes; writes where it begins and its shape.
buffer take_dlpack(std::shared_ptr<const void> owner, const dlpack::DLTensor& t, bool read_only, dtype_id wanted,
                   void** data, isize* shape, std::size_t rank);
/// What deletes it, once, whatever fails from here on. Throws format_error for null and for another major version.
std::shared_ptr<const void> dlpack_owner(dlpack::DLManagedTensor* managed);
std::shared_ptr<const void> dlpack_owner(dlpack::DLManagedTensorVersioned* managed);

template <class T, std::size_t Rank>
Tensor<T, Rank> take_dlpack(std::shared_ptr<const void> owner, const dlpack::DLTensor& t, bool read_only) {
  Shape<Rank> shape;
  void* data = nullptr;
  buffer memory = take_dlpack(std::move(owner), t, read_only, dtype<T>::id, &data, shape.data(), Rank);
  return Tensor<T, Rank>::wrap(std::move(memory), data, shape);
}

}  // namespace detail

/// A tensor over the memory that another library gave: no copy. It owns `managed` from the call on, also where that
/// throws, and calls its deleter once, when the last tensor over the memory ends, on whichever thread that is. Of what
/// is marked read-only nothing may be written (memory().read_only() says it). Throws format_error for null, another
/// major version, a device other than the cpu, another dtype, more lanes than one and memory that is not aligned to its
/// elements; shape_error for another number of dimensions and where memory is not contiguous.
template <Scalar T, std::size_t Rank>
Tensor<T, Rank> from_dlpack(dlpack::DLManagedTensorVersioned* managed) {
  auto owner = detail::dlpack_owner(managed);
  return detail::take_dlpack<T, Rank>(std::move(owner), managed->dl_tensor, managed->flags & dlpack::flag_read_only);
}
template <Scalar T, std::size_t Rank>
Tensor<T, Rank> from_dlpack(dlpack::DLManagedTensor* managed) {
  auto owner = detail::dlpack_owner(managed);
  return detail::take_dlpack<T, Rank>(std::move(owner), managed->dl_tensor, false);
}

#if HFT_DEFINES(MODELS)

HFT_INLINE dlpack::any_tensor::any_tensor(dtype_id format, void* first, std::vector<std::int64_t> extents, buffer owner)
    : dtype(format),
      data(first),
      shape(std::move(extents)),
      strides(shape.size()),
      memory(std::move(owner)),
      read_only(memory.read_only()) {
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0; step *= shape[d]) strides[d] = step;
}

namespace detail {

template <class Managed>
struct exported_tensor {
  Managed managed{};
  dlpack::any_tensor tensor;
};

template <class Managed>
Managed* export_dlpack(dlpack::any_tensor&& t) {
  const auto type = dlpack::data_type_of(t.dtype);
  if (!type) throw format_error("to_dlpack", "dtype", "one that DLPack has: no block format", name(t.dtype));
  const bool empty = !hft::count(t.shape);
  if (!t.data && !empty) fail_without_memory();
  auto out = std::make_unique<exported_tensor<Managed>>();
  out->tensor = std::move(t);
  auto& [data, device, ndim, dtype, shape, strides, byte_offset] = out->managed.dl_tensor;
  data = empty ? nullptr : out->tensor.data;
  device = {dlpack::kDLCPU, 0};
  ndim = std::int32_t(out->tensor.shape.size());
  dtype = *type;
  shape = out->tensor.shape.data();
  strides = out->tensor.strides.data();
  byte_offset = 0;
  out->managed.manager_ctx = out.get();
  out->managed.deleter = [](Managed* self) { delete static_cast<exported_tensor<Managed>*>(self->manager_ctx); };
  return &out.release()->managed;
}

inline std::string device_text(dlpack::DLDevice device) {
  constexpr const char* names[] = {"",     "cpu",       "cuda",    "cuda_host",    "opencl",
                                   "",     "",          "vulkan",  "metal",        "vpi",
                                   "rocm", "rocm_host", "ext_dev", "cuda_managed", "one_api"};
  const auto type = std::size_t(device.device_type);
  const bool known = type < std::size(names) && *names[type];
  return cat(known ? names[type] : cat("device_type ", std::int32_t(device.device_type)), ":", device.device_id);
}

inline std::string type_text(dlpack::DLDataType type) {
  if (const auto id = dlpack::dtype_of({type.code, type.bits, 1}))
    return type.lanes == 1 ? std::string(name(*id)) : cat(name(*id), " in vectors of ", type.lanes);
  constexpr const char* names[] = {"int", "uint", "float", "handle", "bfloat", "complex", "bool"};
  const bool known = type.code < std::size(names);
  return cat(known ? std::string(names[type.code]) : cat("type code ", type.code, " of bits "), type.bits,
             type.lanes == 1 ? "" : cat(" in vectors of ", type.lanes));
}

template <class Managed>
std::shared_ptr<const void> own_dlpack(Managed* managed) {
  if (!managed) throw format_error("from_dlpack", "the managed tensor", "one", "null");
  return std::shared_ptr<const void>(managed, [managed](const void*) {
    if (managed->deleter) managed->deleter(managed);
  });
}

}  // namespace detail

HFT_INLINE dlpack::DLManagedTensorVersioned* to_dlpack(dlpack::any_tensor t) {
  const bool read_only = t.read_only;
  auto* out = detail::export_dlpack<dlpack::DLManagedTensorVersioned>(std::move(t));
  out->version = dlpack::version;
  out->flags = read_only ? dlpack::flag_read_only : 0;
  return out;
}

HFT_INLINE dlpack::DLManagedTensor* to_dlpack_unversioned(dlpack::any_tensor t) {
  if (t.read_only)
    throw value_error("to_dlpack_unversioned", "the tensor", "memory that may be written to, since it cannot say more",
                      "a read-only one");
  return detail::export_dlpack<dlpack::DLManagedTensor>(std::move(t));
}

HFT_INLINE std::shared_ptr<const void> detail::dlpack_owner(dlpack::DLManagedTensor* managed) {
  return own_dlpack(managed);
}

HFT_INLINE std::shared_ptr<const void> detail::dlpack_owner(dlpack::DLManagedTensorVersioned* managed) {
  auto owner = own_dlpack(managed);
  const dlpack::DLPackVersion v = managed->version;
  if (v.major != dlpack::version.major)
    throw format_error("from_dlpack", "version", joined(dlpack::version.major, ".x"), joined(v.major, ".", v.minor));
  return owner;
}

HFT_INLINE buffer detail::take_dlpack(std::shared_ptr<const void> owner, const dlpack::DLTensor& t, bool read_only,
                                      dtype_id wanted, void** data, isize* shape, std::size_t rank) {
  constexpr const char* where = "from_dlpack";
  if (t.device.device_type != dlpack::kDLCPU) throw format_error(where, "device", "cpu:0", device_text(t.device));
  if (dlpack::dtype_of(t.dtype) != wanted) throw format_error(where, "dtype", name(wanted), type_text(t.dtype));
  const std::span<const std::int64_t> extents(t.shape, t.shape && t.ndim > 0 ? std::size_t(t.ndim) : 0);
  if (t.ndim < 0 || std::size_t(t.ndim) != rank)
    throw shape_error(where, "", joined("a tensor of ", rank, " dimensions"),
                      joined(t.ndim, ": ", shape_text(extents)));
  if (extents.size() != rank) throw format_error(where, "shape", joined(rank, " extents"), "null");
  for (std::size_t d = 0; d < rank; ++d) shape[d] = isize(extents[d]);
  const isize size = count(shape, rank);  // throws
  if (t.strides && size) {
    std::int64_t step = 1;
    bool contiguous = true;
    for (std::size_t d = rank; d-- > 0; step *= extents[d]) contiguous &= extents[d] == 1 || t.strides[d] == step;
    if (!contiguous)
      throw shape_error(where, joined("strides of shape ", shape_text(extents)), "those of contiguous memory",
                        shape_text(std::span<const std::int64_t>(t.strides, rank)));
  }
  if (!t.data && size) throw format_error(where, joined("data of shape ", shape_text(extents)), "memory", "null");
  auto* first = static_cast<std::byte*>(t.data);
  if (first) first += t.byte_offset;
  const auto unit = std::size_t(info(wanted).bytes);
  if (size && std::uintptr_t(first) % unit)
    throw format_error(where, "data", joined("an address that is a multiple of ", unit),
                       joined("one ", std::uintptr_t(first) % unit, " bytes behind such"));
  *data = first;
  return buffer::share(std::move(owner), first, std::size_t(size) * unit, false, read_only);
}

#endif  // HFT_DEFINES

}  // namespace hft
