// Texts that need not be UTF-8, as names of files need not, for Python.
#ifndef MMUSIM_PYTHON_TEXT_H_
#define MMUSIM_PYTHON_TEXT_H_

#include <pybind11/pybind11.h>
#include <string>
#include <vector>

namespace mmusim::python {

// `errors`: what becomes of bytes that are no UTF-8, by Python's names: "surrogateescape" for what
// is to come back as it was, "backslashreplace" for what is to be read.
inline pybind11::str text_of(const std::string& bytes, const char* errors) {
  return pybind11::reinterpret_steal<pybind11::str>(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), errors));
}
inline pybind11::str kept_text(const std::string& bytes) {
  return text_of(bytes, "surrogateescape");
}
inline pybind11::str readable_text(const std::string& bytes) {
  return text_of(bytes, "backslashreplace");
}
inline pybind11::list readable_texts(const std::vector<std::string>& texts) {
  pybind11::list list;
  for (const std::string& text : texts)
    list.append(readable_text(text));
  return list;
}

}  // namespace mmusim::python

#endif  // MMUSIM_PYTHON_TEXT_H_
