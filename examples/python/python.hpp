// What the module needs of Python's C API: references, errors both ways, classes over C++ values, tensors by DLPack.
#pragma once
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000  // one build for Python 3.10 and all that follow
#include <Python.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <hft/dlpack.hpp>
#include <hft/io/json.hpp>

namespace python {

// ---- errors: what is thrown becomes Python's, and what Python raises is thrown

/// Thrown where Python's error is set.
struct raised {};

[[noreturn]] inline void raise(PyObject* type, const std::string& text) {
  PyErr_SetString(type, text.c_str());
  throw raised();
}

/// Makes the exception at hand Python's.
inline void set_error() noexcept {
  try {
    throw;
  } catch (const raised&) {
  } catch (const hft::file_error& e) {
    PyErr_SetString(PyExc_OSError, e.what());
  } catch (const hft::unsupported_error& e) {
    PyErr_SetString(PyExc_NotImplementedError, e.what());
  } catch (const hft::error& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

// ---- the interpreter's lock

/// f() while other threads run Python. It touches no object of Python's.
template <class F>
auto unlocked(const F& f) {
  struct guard {
    PyThreadState* state = PyEval_SaveThread();
    ~guard() { PyEval_RestoreThread(state); }
  } outside;
  return f();
}

/// The lock, for code that is called back from an unlocked one.
struct locked {
  PyGILState_STATE state = PyGILState_Ensure();
  ~locked() { PyGILState_Release(state); }
};

// ---- objects

/// A reference.
class object {
 public:
  /// Takes one over, as most of the C API returns it; null says that an error is set.
  explicit object(PyObject* owned) : p_(owned) {
    if (!p_) throw raised();
  }
  object(const object& o) : p_(o.p_) { Py_XINCREF(p_); }
  object(object&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  object& operator=(object o) noexcept { return std::swap(p_, o.p_), *this; }
  ~object() { Py_XDECREF(p_); }
  static object borrowed(PyObject* p) { return object(Py_NewRef(p)); }
  static object none() { return borrowed(Py_None); }

  PyObject* get() const { return p_; }
  PyObject* release() { return std::exchange(p_, nullptr); }

 private:
  PyObject* p_;
};

/// Throws what a call that returns -1 has raised.
inline void check(int status) {
  if (status < 0) throw raised();
}

inline object text(std::string_view s) { return object(PyUnicode_FromStringAndSize(s.data(), Py_ssize_t(s.size()))); }
inline std::string text_of(PyObject* s) {
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(s, &size);
  if (!data) throw raised();
  return {data, std::size_t(size)};
}

/// What Python's json module makes of a value, and the other way round.
inline object from_json(const hft::json& value) {
  const object module(PyImport_ImportModule("json"));
  return object(PyObject_CallMethod(module.get(), "loads", "O", text(value.dump()).get()));
}
inline hft::json to_json(PyObject* value, std::string_view where) {
  const object module(PyImport_ImportModule("json"));
  const object dumped(PyObject_CallMethod(module.get(), "dumps", "O", value));
  return hft::parse_json(text_of(dumped.get()), where, hft::json_max_depth, hft::json_numbers::python);
}

// ---- classes

/// A function or method for a table of them: F(self, arguments, keywords).
template <object (*F)(PyObject*, PyObject*, PyObject*)>
PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  try {
    return F(self, args, kwargs).release();
  } catch (...) {
    set_error();
    return nullptr;
  }
}
template <object (*F)(PyObject*, PyObject*, PyObject*)>
PyMethodDef method(const char* name, const char* doc, int flags = 0) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call<F>)),
          METH_VARARGS | METH_KEYWORDS | flags, doc};
}
template <object (*F)(PyObject*, PyObject*, PyObject*)>
PyGetSetDef property(const char* name, const char* doc) {
  return {name, [](PyObject* self, void*) noexcept { return call<F>(self, nullptr, nullptr); }, nullptr, doc, nullptr};
}

template <class... Places>
void parse(PyObject* args, PyObject* kwargs, const char* format, const char* const* names, Places*... places) {
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, const_cast<char**>(names), places...)) throw raised();
}

/// A class of Python whose instances hold a T.
template <class T>
class class_of {
  struct instance {
    PyObject_HEAD T* value;
  };
  static inline PyTypeObject* type_ = nullptr;

 public:
  /// Adds it to a module; `name` is "module.Class". The tables end with an empty entry, and stay.
  static void add(PyObject* module, const char* name, const char* doc, PyMethodDef* methods, PyGetSetDef* properties) {
    PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>(doc)},
                           {Py_tp_methods, methods},
                           {Py_tp_getset, properties},
                           {Py_tp_dealloc, reinterpret_cast<void*>(&destroy)},
                           {0, nullptr}};
    PyType_Spec spec{name, int(sizeof(instance)), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    type_ = reinterpret_cast<PyTypeObject*>(object(PyType_FromSpec(&spec)).release());
    check(PyModule_AddType(module, type_));
  }
  static object wrap(T value) {
    object made(PyType_GenericAlloc(type_, 0));
    reinterpret_cast<instance*>(made.get())->value = new T(std::move(value));
    return made;
  }
  static T& in(PyObject* self) { return *reinterpret_cast<instance*>(self)->value; }
  static PyTypeObject* type() { return type_; }

 private:
  static void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    delete reinterpret_cast<instance*>(self)->value;
    reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
  }
};

// ---- tensors (https://data-apis.org/array-api/latest/design_topics/data_interchange.html)

using hft::dlpack::DLManagedTensor, hft::dlpack::DLManagedTensorVersioned;

/// The names of a capsule before and after somebody took what it holds.
template <class Managed>
struct capsule_names {
  static constexpr const char *fresh = "dltensor", *used = "used_dltensor";
};
template <>
struct capsule_names<DLManagedTensorVersioned> {
  static constexpr const char *fresh = "dltensor_versioned", *used = "used_dltensor_versioned";
};

template <class Managed>
object capsule(Managed* managed) {
  PyObject* made = PyCapsule_New(managed, capsule_names<Managed>::fresh, [](PyObject* self) {
    if (!PyCapsule_IsValid(self, capsule_names<Managed>::fresh)) return;
    auto* left = static_cast<Managed*>(PyCapsule_GetPointer(self, capsule_names<Managed>::fresh));
    left->deleter(left);
  });
  if (!made) managed->deleter(managed);
  return object(made);
}

/// f(managed), which owns it, for the tensor of an object with __dlpack__. Raises TypeError for another.
template <class F>
auto with_tensor_of(PyObject* from, const char* argument, const F& f) {
  if (!PyObject_HasAttrString(from, "__dlpack__"))
    raise(PyExc_TypeError, std::string(argument) + ": expected an object with __dlpack__, as numpy's and torch's have");
  const object export_method(PyObject_GetAttrString(from, "__dlpack__")), nothing(PyTuple_New(0)),
      version(Py_BuildValue("{s:(II)}", "max_version", hft::dlpack::version.major, hft::dlpack::version.minor));
  PyObject* made = PyObject_Call(export_method.get(), nothing.get(), version.get());
  if (!made && PyErr_ExceptionMatches(PyExc_TypeError)) {  // it knows no versions
    PyErr_Clear();
    made = PyObject_Call(export_method.get(), nothing.get(), nullptr);
  }
  const object held(made);
  const auto take = [&]<class Managed>(Managed*) {
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(made, capsule_names<Managed>::fresh));
    if (!managed) throw raised();
    check(PyCapsule_SetName(made, capsule_names<Managed>::used));
    return f(managed);
  };
  if (PyCapsule_IsValid(made, capsule_names<DLManagedTensorVersioned>::fresh))
    return take(static_cast<DLManagedTensorVersioned*>(nullptr));
  return take(static_cast<DLManagedTensor*>(nullptr));
}

}  // namespace python
