// Fields of a record as members of a JSON object, for `trace dump --json`. What the notation of
// text (text_fields.h) has as a word is a string here too: addresses ("0x401000", because many
// readers of JSON keep only 53 bits of a number), rights ("rw-"), words. All else is a number, a
// truth value, or a list.
#ifndef MMUSIM_TRACE_JSON_FIELDS_H_
#define MMUSIM_TRACE_JSON_FIELDS_H_

#include <cstdint>
#include <fmt/format.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/append_format.h"
#include "trace/record.h"
#include "trace/text_fields.h"

namespace mmusim::trace {

// Appends `text` as a JSON string of ASCII characters; bytes that are no UTF-8 become U+FFFD.
void append_json_string(fmt::memory_buffer& out, std::string_view text);

// The same calls as FieldWriter's, so that the lists of fields in event_text.cc serve both.
class JsonFieldWriter {
 public:
  explicit JsonFieldWriter(fmt::memory_buffer& out) : out_(out) {}

  void address(const char* name, VirtAddr value, Field = {}) {
    add(R"({}"{}":"{:#x}")", comma(), name, value.value());
  }
  template <class Integer>
  void number(const char* name, Integer value, Field = {}) {
    add(R"({}"{}":{})", comma(), name, value);
  }
  template <class Integer>
  void hex(const char* name, Integer value, Field = {}) {
    number(name, value);
  }
  void pid(const char* name, Pid value, Field = {}) { number(name, value.value()); }
  void thread(const char* name, ThreadId value, Field = {}) {
    add(R"({}"{}":{{"pid":{},"tid":{}}})", comma(), name, value.pid.value(), value.tid.value());
  }
  void flag(const char* name, bool value, Field = {}) { add(R"({}"{}":{})", comma(), name, value); }
  void rights(const char* name, uint32_t value, Field = {});
  void address_result(const char* name, int64_t value, Field = {});
  void word(const char* name, uint32_t value, std::initializer_list<const char*> words, Field = {});
  void text(const char* name, const std::string& value, Field = {});
  void text_if_any(const char* name, const std::string& value) {
    if (!value.empty()) text(name, value);
  }
  void texts(const char* name, const std::vector<std::string>& values);
  void areas(const char* name, const std::vector<ImageArea>& values);

 private:
  const char* comma() {
    const char* const separator = first_ ? "" : ",";
    first_ = false;
    return separator;
  }
  template <class... Arguments>
  void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    append_format(out_, format, std::forward<Arguments>(arguments)...);
  }
  fmt::memory_buffer& out_;
  bool first_ = true;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_JSON_FIELDS_H_
