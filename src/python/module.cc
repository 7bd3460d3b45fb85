// mmusim._mmusim: what the package mmusim (mmusim/__init__.py) is made on. Types: _mmusim.pyi.
#include <dlfcn.h>
#include <filesystem>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/embedded.h"
#include "cli/names.h"
#include "cli/version.h"
#include "python/records.h"
#include "python/running.h"
#include "python/text.h"

namespace mmusim::python {
namespace py = pybind11;
namespace {

struct Exceptions {
  py::object error;
  py::object usage;
  py::object internal;
};
Exceptions& exceptions() {
  static Exceptions* const kAll = new Exceptions;  // outlives the interpreter, which counts on it
  return *kAll;
}

// Besides, what was said of parts of a run, and printed of the others.
void set_error(const py::object& kind, const char* text, const cli::Said& said) {
  const py::object error = kind(readable_text(text));
  error.attr("details") = readable_texts(said.errors);
  error.attr("printed") = text_of(said.printed, "replace");
  PyErr_SetObject(kind.ptr(), error.ptr());
}

void translate(const std::exception_ptr& failure, const cli::Said& said) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    const bool usage = error.exit_status() == Error::kUsage;
    set_error(usage ? exceptions().usage : exceptions().error, error.what(), said);
  } catch (const InternalError& error) {
    set_error(exceptions().internal, error.what(), said);
  }
}

py::object new_exception(py::module_& module, const char* name, const py::object& bases,
                         const char* doc) {
  py::dict content;
  content["__doc__"] = doc;
  content["__module__"] = "mmusim";
  content["details"] = py::tuple();
  content["printed"] = "";
  content["result"] = py::none();
  py::object made = py::module_::import("builtins").attr("type")(name, bases, content);
  module.attr(name) = made;
  return made;
}

py::tuple run_command(const std::vector<std::string>& words) {
  Outcome outcome = run(words);
  if (outcome.failure != nullptr) {
    translate(outcome.failure, outcome.said);
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    std::rethrow_exception(outcome.failure);  // of the library's kinds, which pybind11 knows
  }
  return py::make_tuple(text_of(outcome.said.printed, "replace"),
                        readable_texts(outcome.said.warnings), readable_texts(outcome.said.errors));
}

// Page tables that are plug-ins call what this module holds, so its symbols are made everybody's;
// and its files are found from where it is.
void find_itself() {
  Dl_info about{};
  if (dladdr(reinterpret_cast<const void*>(&find_itself), &about) == 0) return;
  dlopen(about.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
  const std::filesystem::path folder =
      std::filesystem::absolute(about.dli_fname).parent_path() / MMUSIM_PYTHON_DATA;
  cli::add_data_folder(folder.lexically_normal().string());
}

}  // namespace
}  // namespace mmusim::python

PYBIND11_MODULE(_mmusim, module) {
  namespace py = pybind11;
  namespace mine = mmusim::python;
  using py::literals::operator""_a;
  module.doc() = "The simulator, as mmusim's package uses it.";
  mine::find_itself();

  const py::module_ builtins = py::module_::import("builtins");
  mine::Exceptions& all = mine::exceptions();
  all.error = mine::new_exception(module, "Error", py::make_tuple(builtins.attr("RuntimeError")),
                                  "What could not be done, in the program's words.");
  all.usage = mine::new_exception(module, "UsageError",
                                  py::make_tuple(all.error, builtins.attr("ValueError")),
                                  "An argument, key or file is wrong, in the program's words.");
  all.internal = mine::new_exception(module, "InternalError", py::make_tuple(all.error),
                                     "A bug of mmusim's, or of a page-table plug-in's.");
  py::register_exception_translator([](std::exception_ptr failure) {
    const std::exception_ptr thrown = std::move(failure);
    if (thrown != nullptr) mine::translate(thrown, {});
  });

  module.def("run", &mine::run_command, "words"_a,
             "Runs a command of the program: what it printed, warnings, errors of parts.");
  module.def(
      "find",
      [](const std::string& kind, const std::string& word) {
        return py::bytes(mmusim::cli::find_named(kind, word, kind));
      },
      "kind"_a, "name"_a, "The path of the file that a name means.");
  module.def("version", [] {
    const mmusim::cli::Version version = mmusim::cli::version();
    return py::make_tuple(version.number, version.commit, version.build_type, version.compiler);
  });

  py::class_<mine::TraceReader>(module, "TraceReader")
      .def(py::init<const std::string&, bool, const std::vector<std::string>&>(), "path"_a,
           "accept_torn"_a, "kinds"_a)
      .def("read", &mine::TraceReader::read, "most"_a)
      .def("about", &mine::TraceReader::about);
  py::class_<mine::TraceWriter>(module, "TraceWriter")
      .def(py::init<const std::string&, const std::string&, const std::string&, uint64_t, bool>(),
           "path"_a, "isa"_a, "program"_a, "page"_a, "big_endian"_a)
      .def("instruction", &mine::TraceWriter::instruction, "pid"_a, "tid"_a, "address"_a, "bytes"_a)
      .def("access", &mine::TraceWriter::access, "kind"_a, "address"_a, "bytes"_a)
      .def("event", &mine::TraceWriter::event, "pid"_a, "tid"_a, "kind"_a, "fields"_a)
      .def("finish", &mine::TraceWriter::finish)
      .def("abandon", &mine::TraceWriter::abandon);
}
