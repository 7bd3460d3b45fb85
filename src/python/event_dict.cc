#include "python/event_dict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <initializer_list>
#include <limits>
#include <variant>
#include <vector>

#include "base/error.h"
#include "config/nearest.h"
#include "python/text.h"
#include "trace/event_fields.h"
#include "trace/event_text.h"

namespace mmusim::python {
namespace py = pybind11;
namespace {

using trace::Field;
using trace::ImageArea;
using trace::ThreadId;

class DictWriter {
 public:
  explicit DictWriter(py::dict& dict) : dict_(dict) {}

  void address(const char* name, VirtAddr value, Field = {}) { dict_[name] = value.value(); }
  template <class Integer>
  void number(const char* name, Integer value, Field = {}) {
    dict_[name] = value;
  }
  template <class Integer>
  void hex(const char* name, Integer value, Field = {}) {
    dict_[name] = value;
  }
  void pid(const char* name, Pid value, Field = {}) { dict_[name] = value.value(); }
  void thread(const char* name, ThreadId value, Field = {}) {
    dict_[name] = py::make_tuple(value.pid.value(), value.tid.value());
  }
  void flag(const char* name, bool value, Field = {}) { dict_[name] = value; }
  void rights(const char* name, uint32_t value, Field = {}) {
    dict_[name] = trace::prot_text(value);
  }
  void address_result(const char* name, int64_t value, Field = {}) {
    // A mapping of the upper half, as of IA-64's regions, is no error number.
    if (trace::failed(value)) {
      dict_[name] = value;
    } else {
      dict_[name] = static_cast<uint64_t>(value);
    }
  }
  void word(const char* name, uint32_t value, std::initializer_list<const char*> words,
            Field = {}) {
    if (value < words.size()) {
      dict_[name] = words.begin()[value];
    } else {
      dict_[name] = value;
    }
  }
  void text(const char* name, const std::string& value, Field = {}) {
    dict_[name] = kept_text(value);
  }
  void plain(const char* name, const std::string& value, Field = {}) { text(name, value); }
  void text_if_any(const char* name, const std::string& value) {
    if (!value.empty()) text(name, value);
  }
  void texts(const char* name, const std::vector<std::string>& values) {
    py::list list;
    for (const std::string& value : values)
      list.append(kept_text(value));
    dict_[name] = list;
  }
  void areas(const char* name, const std::vector<ImageArea>& values) {
    py::list list;
    for (const ImageArea& area : values) {
      py::dict one;
      one["begin"] = area.range.begin.value();
      one["end"] = area.range.end.value();
      one["prot"] = trace::prot_text(area.prot);
      one["flags"] = area.flags;
      one["offset"] = area.file_offset;
      one["name"] = kept_text(area.name);
      list.append(one);
    }
    dict_[name] = list;
  }

 private:
  py::dict& dict_;
};

class DictReader {
 public:
  explicit DictReader(const py::dict& dict, std::string where)
      : dict_(dict), where_(std::move(where)) {}

  // All fields have been asked for. Errors: UsageError for any that are left.
  void end() const {
    for (const auto& [key, value] : dict_) {
      const std::string name = py::str(key);
      if (std::find(asked_.begin(), asked_.end(), name) == asked_.end())
        throw UsageError(where_, fmt::format("there is no field '{}'", name),
                         fmt::format("it has {}", fmt::join(asked_, ", ")));
    }
  }

  void address(const char* name, VirtAddr& value, Field needed = {}) {
    uint64_t number = value.value();
    integer(name, number, needed);
    value = VirtAddr(number);
  }
  template <class Integer>
  void number(const char* name, Integer& value, Field needed = {}) {
    integer(name, value, needed);
  }
  template <class Integer>
  void hex(const char* name, Integer& value, Field needed = {}) {
    integer(name, value, needed);
  }
  void pid(const char* name, Pid& value, Field needed = {}) {
    uint32_t number = value.value();
    integer(name, number, needed);
    value = Pid(number);
  }
  void thread(const char* name, ThreadId& value, Field needed = {}) {
    const py::object given = take(name, needed);
    if (!given) return;
    const auto pair = cast<std::pair<uint32_t, uint32_t>>(name, given, "a pair (pid, tid)");
    value = {Pid(pair.first), Tid(pair.second)};
  }
  void flag(const char* name, bool& value, Field needed = {}) {
    if (const py::object given = take(name, needed); given)
      value = cast<bool>(name, given, "True or False");
  }
  void rights(const char* name, uint32_t& value, Field needed = {}) {
    if (const py::object given = take(name, needed); given) value = rights_of(name, given);
  }
  void address_result(const char* name, int64_t& value, Field needed = {}) {
    const py::object given = take(name, needed);
    if (!given) return;
    try {
      value = static_cast<int64_t>(given.cast<uint64_t>());
    } catch (const py::cast_error&) {
      value = cast<int64_t>(name, given, "an address, or a negative error number");
    }
  }
  void word(const char* name, uint32_t& value, std::initializer_list<const char*> words,
            Field needed = {}) {
    const py::object given = take(name, needed);
    if (!given) return;
    if (!py::isinstance<py::str>(given)) {
      value = cast<uint32_t>(name, given, "a word or number");
      return;
    }
    const auto text = given.cast<std::string>();
    for (size_t i = 0; i < words.size(); ++i)
      if (text == words.begin()[i]) {
        value = static_cast<uint32_t>(i);
        return;
      }
    fail(name, given, fmt::format("one of {}", fmt::join(words, ", ")).c_str());
  }
  void text(const char* name, std::string& value, Field needed = {}) {
    if (const py::object given = take(name, needed); given) value = bytes_of(name, given);
  }
  void plain(const char* name, std::string& value, Field needed = {}) { text(name, value, needed); }
  void text_if_any(const char* name, std::string& value) { text(name, value); }
  void texts(const char* name, std::vector<std::string>& values) {
    const py::object given = take(name, Field::Optional);
    if (!given) return;
    for (const py::handle one : sequence(name, given))
      values.push_back(bytes_of(name, py::reinterpret_borrow<py::object>(one)));
  }
  void areas(const char* name, std::vector<ImageArea>& values) {
    const py::object given = take(name, Field::Optional);
    if (!given) return;
    for (const py::handle one : sequence(name, given)) {
      if (!py::isinstance<py::dict>(one))
        fail(name, given, "a list of dictionaries with begin, end and prot");
      DictReader reader(py::reinterpret_borrow<py::dict>(one), fmt::format("{}, {}", where_, name));
      ImageArea area;
      reader.address("begin", area.range.begin, Field::Needed);
      reader.address("end", area.range.end, Field::Needed);
      reader.rights("prot", area.prot, Field::Needed);
      area.flags = abi::kMapPrivate;
      reader.number("flags", area.flags);
      reader.number("offset", area.file_offset);
      reader.text("name", area.name);
      reader.end();
      values.push_back(std::move(area));
    }
  }

 private:
  [[noreturn]] void fail(const char* name, const py::object& given, const char* wanted) const {
    throw UsageError(where_, fmt::format("{} = {} is not {}", name,
                                         std::string(py::repr(given)).substr(0, 100), wanted));
  }
  py::object take(const char* name, Field needed) {
    asked_.emplace_back(name);
    if (dict_.contains(name)) return dict_[name];
    if (needed == Field::Needed) throw UsageError(where_, fmt::format("{} is missing", name));
    return {};
  }
  template <class Type>
  Type cast(const char* name, const py::object& given, const char* wanted) const {
    try {
      return given.cast<Type>();
    } catch (const py::cast_error&) {
      fail(name, given, wanted);
    }
  }
  template <class Integer>
  void integer(const char* name, Integer& value, Field needed) {
    const py::object given = take(name, needed);
    if (!given) return;
    value = cast<Integer>(
        name, given,
        fmt::format("a whole number from {} to {}", std::numeric_limits<Integer>::min(),
                    std::numeric_limits<Integer>::max())
            .c_str());
  }
  [[nodiscard]] uint32_t rights_of(const char* name, const py::object& given) const {
    if (!py::isinstance<py::str>(given)) return cast<uint32_t>(name, given, "rights, as 'rw-'");
    const auto rights = trace::parse_rights(given.cast<std::string>());
    if (!rights) fail(name, given, "rights, as 'rw-'");
    return *rights;
  }
  [[nodiscard]] std::string bytes_of(const char* name, const py::object& given) const {
    if (py::isinstance<py::bytes>(given)) return given.cast<std::string>();
    if (!py::isinstance<py::str>(given)) fail(name, given, "text");
    const auto bytes = py::reinterpret_steal<py::bytes>(
        PyUnicode_AsEncodedString(given.ptr(), "utf-8", "surrogateescape"));
    if (!bytes) throw py::error_already_set();
    return bytes;
  }
  [[nodiscard]] py::sequence sequence(const char* name, const py::object& given) const {
    if (!py::isinstance<py::sequence>(given) || py::isinstance<py::str>(given))
      fail(name, given, "a list");
    return given;
  }

  const py::dict dict_;
  std::string where_;
  std::vector<std::string> asked_;
};

}  // namespace

py::dict dict_of(const trace::Event& event) {
  py::dict dict;
  DictWriter writer(dict);
  std::visit([&](const auto& e) { trace::EventFields::visit(writer, e); }, event);
  return dict;
}

trace::Event event_of(const std::string& kind, const py::dict& fields) {
  std::optional<trace::Event> event = trace::event_named(kind);
  if (!event) {
    std::vector<std::string> names;
    for (size_t i = 0; i < std::variant_size_v<trace::Event>; ++i)
      names.emplace_back(trace::event_kind_name(i));
    throw UsageError("", fmt::format("there is no kind of event '{}'", kind),
                     config::suggestion(kind, names));
  }
  DictReader reader(fields, kind);
  std::visit([&](auto& e) { trace::EventFields::visit(reader, e); }, *event);
  reader.end();
  return *std::move(event);
}

}  // namespace mmusim::python
