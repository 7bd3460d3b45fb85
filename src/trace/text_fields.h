// Fields of a line of text, `name=value`, separated by blanks: written by `trace dump` and by the
// plain text format, and read back by the latter.
//
// Addresses are hexadecimal with 0x. Numbers are read in decimal or, with 0x, in hexadecimal. Text
// is in double quotes, with control characters, quotes and backslashes escaped (\n, \t, \xNN, \",
// \\), so that a line is one line and every byte comes back. Not thread-safe.
#ifndef MMUSIM_TRACE_TEXT_FIELDS_H_
#define MMUSIM_TRACE_TEXT_FIELDS_H_

#include <cstdint>
#include <fmt/format.h>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/append_format.h"
#include "trace/record.h"

namespace mmusim::trace {

// Whether a line may go without a field, which then has its default.
enum class Field : uint8_t { Optional, Needed };

// `text` in quotes, escaped.
std::string quoted_text(std::string_view text);

// "rw-", and behind + what no letter stands for ("rw-+0x8").
std::string prot_text(uint32_t prot);
// What that text says; nothing if it is none.
std::optional<uint32_t> parse_rights(std::string_view text);

// Letters, digits, - and _, and at least one of them.
bool is_plain_word(std::string_view text);

class FieldWriter {
 public:
  explicit FieldWriter(fmt::memory_buffer& out) : out_(out) {}

  void address(const char* name, VirtAddr value, Field = {}) {
    add(" {}={:#x}", name, value.value());
  }
  template <class Integer>
  void number(const char* name, Integer value, Field = {}) {
    add(" {}={}", name, value);
  }
  template <class Integer>
  void hex(const char* name, Integer value, Field = {}) {
    add(" {}={:#x}", name, value);
  }
  void pid(const char* name, Pid value, Field = {}) { number(name, value.value()); }
  void thread(const char* name, ThreadId value, Field = {}) {
    add(" {}={}/{}", name, value.pid.value(), value.tid.value());
  }
  void flag(const char* name, bool value, Field = {}) { add(" {}={}", name, value ? "yes" : "no"); }
  void rights(const char* name, uint32_t value, Field = {});
  // An address, or a negative error number.
  void address_result(const char* name, int64_t value, Field = {});
  // One of the words, by its place, or a number beyond them.
  void word(const char* name, uint32_t value, std::initializer_list<const char*> words, Field = {});
  void text(const char* name, const std::string& value, Field = {}) {
    add(" {}={}", name, quoted_text(value));
  }
  // A word that needs no quotes, or is given them.
  void plain(const char* name, const std::string& value, Field = {}) {
    add(" {}={}", name, is_plain_word(value) ? value : quoted_text(value));
  }
  // Not written where there is nothing to say.
  void text_if_any(const char* name, const std::string& value) {
    if (!value.empty()) text(name, value);
  }
  void texts(const char* name, const std::vector<std::string>& values);
  void areas(const char* name, const std::vector<ImageArea>& values);

 private:
  template <class... Arguments>
  void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    append_format(out_, format, std::forward<Arguments>(arguments)...);
  }
  fmt::memory_buffer& out_;
};

// Takes the fields of a line by name, in any order. What is wrong is kept, the first of it; fields
// are then left as they are.
class FieldReader {
 public:
  // `text` must live as long as this.
  explicit FieldReader(std::string_view text);

  // All fields have been asked for: whatever is left has no business here. What is wrong, "" if
  // nothing is.
  [[nodiscard]] std::string problem();

  void address(const char* name, VirtAddr& value, Field needed = Field::Optional);
  void number(const char* name, uint64_t& value, Field needed = Field::Optional);
  void number(const char* name, uint32_t& value, Field needed = Field::Optional);
  void number(const char* name, int64_t& value, Field needed = Field::Optional);
  void number(const char* name, int32_t& value, Field needed = Field::Optional);
  template <class Integer>
  void hex(const char* name, Integer& value, Field needed = Field::Optional) {
    number(name, value, needed);
  }
  void pid(const char* name, Pid& value, Field needed = Field::Optional);
  // PID/TID, or PID for its first thread.
  void thread(const char* name, ThreadId& value, Field needed = Field::Optional);
  void flag(const char* name, bool& value, Field needed = Field::Optional);
  void rights(const char* name, uint32_t& value, Field needed = Field::Optional);
  void address_result(const char* name, int64_t& value, Field needed = Field::Optional) {
    number(name, value, needed);
  }
  void word(const char* name, uint32_t& value, std::initializer_list<const char*> words,
            Field needed = Field::Optional);
  void text(const char* name, std::string& value, Field needed = Field::Optional);
  void plain(const char* name, std::string& value, Field needed = Field::Optional);
  void text_if_any(const char* name, std::string& value) { text(name, value); }
  void texts(const char* name, std::vector<std::string>& values);
  void areas(const char* name, std::vector<ImageArea>& values);

 private:
  struct Found {
    std::string_view name;
    std::string_view value;
    bool used = false;
  };
  void split(std::string_view text);
  std::optional<std::string_view> take(const char* name, Field needed);
  void fail(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
  }
  void fail_value(const char* name, std::string_view value, const char* wanted);
  template <class Integer>
  void integer(const char* name, Integer& value, Field needed);

  std::vector<Found> fields_;
  std::string asked_;  // the names asked for, for advice
  std::string problem_;
};

// The whole of `text` as a number: decimal, or hexadecimal with 0x. Nothing if it is none, or does
// not fit 64 bits.
std::optional<uint64_t> parse_number(std::string_view text);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_TEXT_FIELDS_H_
