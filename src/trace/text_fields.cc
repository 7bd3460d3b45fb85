#include "trace/text_fields.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/linux_abi.h"
#include "base/printable.h"
#include "base/units.h"

namespace mmusim::trace {
namespace {

constexpr size_t kMostFields = 16;  // more than any kind of event has

// Where the quoted text at `at` ends, behind its closing quote; npos if it does not.
size_t end_of_quoted(std::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

// The bracket that closes the one at `at`, and a step further.
size_t end_of_list(std::string_view text, size_t at) {
  for (++at; at < text.size();) {
    if (text[at] == ']') return at + 1;
    at = text[at] == '"' ? end_of_quoted(text, at) : at + 1;
    if (at == std::string_view::npos) break;
  }
  return std::string_view::npos;
}

size_t end_of_word(std::string_view text, size_t at) {
  const size_t end = text.find(' ', at);
  return end == std::string_view::npos ? text.size() : end;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What quoted_text() made; nothing for what it cannot have made.
std::optional<std::string> unquoted(std::string_view text) {
  if (text.size() < 2 || text[0] != '"' || end_of_quoted(text, 0) != text.size())
    return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      out += text[at];
      continue;
    }
    const char escape = text[++at];
    if (escape == '\\' || escape == '"') {
      out += escape;
    } else if (escape == 'n') {
      out += '\n';
    } else if (escape == 't') {
      out += '\t';
    } else if (escape == 'x' && at + 2 < text.size() && hex_value(text[at + 1]) >= 0 &&
               hex_value(text[at + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[at + 1]) << 4 | hex_value(text[at + 2]));
      at += 2;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

// What stands between the brackets, taken word by word.
class ListReader {
 public:
  explicit ListReader(std::string_view value) : text_(value.substr(1, value.size() - 2)) {}

  [[nodiscard]] bool at_end() {
    while (at_ < text_.size() && text_[at_] == ' ')
      ++at_;
    return at_ == text_.size();
  }
  [[nodiscard]] bool skip(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] bool skip(std::string_view word) {
    if (at_end() || !text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  [[nodiscard]] bool at_text() { return !at_end() && text_[at_] == '"'; }
  std::optional<std::string> text() {
    if (!at_text()) return std::nullopt;
    const size_t end = end_of_quoted(text_, at_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view quoted = text_.substr(at_, end - at_);
    at_ = end;
    return unquoted(quoted);
  }
  // Up to a blank, or to `until`.
  std::string_view word(char until) {
    if (at_end()) return {};
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ' ' && text_[at_] != until)
      ++at_;
    return text_.substr(begin, at_ - begin);
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// "0x1000-0x2000 r-x flags=0x2 offset=0 "name""; what follows the rights may be left out.
bool parse_area(ListReader& list, ImageArea& area) {
  const auto begin = parse_number(list.word('-'));
  if (!begin || !list.skip('-')) return false;
  const auto end = parse_number(list.word(';'));
  const auto prot = parse_rights(list.word(';'));
  if (!end || !prot) return false;
  area.range = {VirtAddr(*begin), VirtAddr(*end)};
  area.prot = *prot;
  area.flags = abi::kMapPrivate;
  if (list.skip("flags=")) {
    const auto flags = parse_number(list.word(';'));
    if (!flags || *flags > std::numeric_limits<uint32_t>::max()) return false;
    area.flags = static_cast<uint32_t>(*flags);
  }
  if (list.skip("offset=")) {
    const auto offset = parse_number(list.word(';'));
    if (!offset) return false;
    area.file_offset = *offset;
  }
  if (!list.at_text()) return true;
  auto name = list.text();
  if (!name) return false;
  area.name = *std::move(name);
  return true;
}

}  // namespace

std::string quoted_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return printable(out) + '"';
}

// Bits as Rights has them.
std::string prot_text(uint32_t prot) {
  const std::string rights = format_rights(Rights(prot & 7));
  return (prot & ~7u) == 0 ? rights : rights + fmt::format("+{:#x}", prot & ~7u);
}

std::optional<uint32_t> parse_rights(std::string_view text) {
  constexpr std::string_view kLetters = "rwx";
  if (text.size() < 3) return std::nullopt;
  uint32_t prot = 0;
  for (size_t i = 0; i < 3; ++i) {
    if (text[i] == kLetters[i]) {
      prot |= 1u << i;
    } else if (text[i] != '-') {
      return std::nullopt;
    }
  }
  if (text.size() == 3) return prot;
  const auto more = text[3] == '+' ? parse_number(text.substr(4)) : std::nullopt;
  if (!more || *more > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return prot | static_cast<uint32_t>(*more);
}

bool is_plain_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
  });
}

std::optional<uint64_t> parse_number(std::string_view text) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

void FieldWriter::rights(const char* name, uint32_t value, Field) {
  add(" {}={}", name, prot_text(value));
}

void FieldWriter::address_result(const char* name, int64_t value, Field) {
  if (failed(value)) {
    number(name, value);
  } else {
    hex(name, static_cast<uint64_t>(value));
  }
}

void FieldWriter::word(const char* name, uint32_t value, std::initializer_list<const char*> words,
                       Field) {
  if (value < words.size()) {
    add(" {}={}", name, words.begin()[value]);
  } else {
    number(name, value);
  }
}

void FieldWriter::texts(const char* name, const std::vector<std::string>& values) {
  add(" {}=[", name);
  for (size_t i = 0; i < values.size(); ++i)
    add("{}{}", i == 0 ? "" : " ", quoted_text(values[i]));
  add("]");
}

void FieldWriter::areas(const char* name, const std::vector<ImageArea>& values) {
  add(" {}=[", name);
  for (size_t i = 0; i < values.size(); ++i) {
    const ImageArea& area = values[i];
    add("{}{:#x}-{:#x} {} flags={:#x} offset={} {}", i == 0 ? "" : "; ", area.range.begin.value(),
        area.range.end.value(), prot_text(area.prot), area.flags, area.file_offset,
        quoted_text(area.name));
  }
  add("]");
}

FieldReader::FieldReader(std::string_view text) {
  split(text);
}

void FieldReader::split(std::string_view text) {
  for (size_t at = 0;;) {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t'))
      ++at;
    if (at == text.size()) return;
    const size_t equals = text.find('=', at);
    const std::string_view name = text.substr(at, equals - at);
    if (equals == std::string_view::npos || name.empty() ||
        name.find_first_of(" \"[") != std::string_view::npos) {
      return fail(
          fmt::format("'{}' is not NAME=VALUE", text.substr(at, end_of_word(text, at) - at)));
    }
    const size_t begin = equals + 1;
    size_t end = end_of_word(text, begin);
    if (begin < text.size() && text[begin] == '"') end = end_of_quoted(text, begin);
    if (begin < text.size() && text[begin] == '[') end = end_of_list(text, begin);
    if (end == std::string_view::npos) return fail(fmt::format("{} does not end", name));
    if (end < text.size() && text[end] != ' ' && text[end] != '\t')
      return fail(fmt::format("no blank behind {}", name));
    if (fields_.size() == kMostFields) return fail("too many fields");
    for (const Found& other : fields_)
      if (other.name == name) return fail(fmt::format("{} is given twice", name));
    fields_.push_back({name, text.substr(begin, end - begin)});
    at = end;
  }
}

std::optional<std::string_view> FieldReader::take(const char* name, Field needed) {
  asked_ += asked_.empty() ? "" : ", ";
  asked_ += name;
  const auto found = std::find_if(fields_.begin(), fields_.end(),
                                  [name](const Found& field) { return field.name == name; });
  if (found == fields_.end()) {
    if (needed == Field::Needed) fail(fmt::format("{}= is missing", name));
    return std::nullopt;
  }
  found->used = true;
  return found->value;
}

std::string FieldReader::problem() {
  for (const Found& field : fields_)
    if (!field.used)
      fail(fmt::format("{}= has no meaning here (there are {})", field.name, asked_));
  return problem_;
}

void FieldReader::fail_value(const char* name, std::string_view value, const char* wanted) {
  fail(fmt::format("{}={}: {}", name, value.substr(0, 100), wanted));
}

template <class Integer>
void FieldReader::integer(const char* name, Integer& value, Field needed) {
  using Limits = std::numeric_limits<Integer>;
  const auto text = take(name, needed);
  if (!text) return;
  const bool negative = Limits::is_signed && text->starts_with('-');
  const auto number = parse_number(negative ? text->substr(1) : *text);
  if (!number) return fail_value(name, *text, "not a number");
  // A 64-bit result may be an address of the upper half.
  const uint64_t most = negative               ? uint64_t{0} - static_cast<uint64_t>(Limits::min())
                        : sizeof(Integer) == 8 ? std::numeric_limits<uint64_t>::max()
                                               : static_cast<uint64_t>(Limits::max());
  if (*number > most) return fail_value(name, *text, "out of range");
  value = static_cast<Integer>(negative ? uint64_t{0} - *number : *number);
}

void FieldReader::number(const char* name, uint64_t& value, Field needed) {
  integer(name, value, needed);
}
void FieldReader::number(const char* name, uint32_t& value, Field needed) {
  integer(name, value, needed);
}
void FieldReader::number(const char* name, int64_t& value, Field needed) {
  integer(name, value, needed);
}
void FieldReader::number(const char* name, int32_t& value, Field needed) {
  integer(name, value, needed);
}

void FieldReader::address(const char* name, VirtAddr& value, Field needed) {
  uint64_t number = value.value();
  integer(name, number, needed);
  value = VirtAddr(number);
}

void FieldReader::pid(const char* name, Pid& value, Field needed) {
  uint32_t number = value.value();
  integer(name, number, needed);
  value = Pid(number);
}

void FieldReader::thread(const char* name, ThreadId& value, Field needed) {
  const auto text = take(name, needed);
  if (!text) return;
  const size_t slash = text->find('/');
  const auto pid = parse_number(text->substr(0, slash));
  const auto tid = slash == std::string_view::npos ? pid : parse_number(text->substr(slash + 1));
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  if (!pid || !tid || *pid > kMost || *tid > kMost)
    return fail_value(name, *text, "not a thread (PID/TID)");
  value = {Pid(static_cast<uint32_t>(*pid)), Tid(static_cast<uint32_t>(*tid))};
}

void FieldReader::flag(const char* name, bool& value, Field needed) {
  const auto text = take(name, needed);
  if (!text) return;
  if (*text != "yes" && *text != "no") return fail_value(name, *text, "neither yes nor no");
  value = *text == "yes";
}

void FieldReader::rights(const char* name, uint32_t& value, Field needed) {
  const auto text = take(name, needed);
  if (!text) return;
  const auto rights = parse_rights(*text);
  if (!rights) return fail_value(name, *text, "no rights (as rw-)");
  value = *rights;
}

void FieldReader::word(const char* name, uint32_t& value, std::initializer_list<const char*> words,
                       Field needed) {
  const auto text = take(name, needed);
  if (!text) return;
  const auto found =
      std::find_if(words.begin(), words.end(), [&](const char* word) { return *text == word; });
  const auto number = parse_number(*text);
  if (found != words.end()) {
    value = static_cast<uint32_t>(found - words.begin());
  } else if (number && *number <= std::numeric_limits<uint32_t>::max()) {
    value = static_cast<uint32_t>(*number);
  } else {
    fail_value(name, *text, "no such word");
  }
}

void FieldReader::text(const char* name, std::string& value, Field needed) {
  const auto text = take(name, needed);
  if (!text) return;
  auto plain = unquoted(*text);
  if (!plain) return fail_value(name, *text, "not a text in double quotes");
  value = *std::move(plain);
}

void FieldReader::plain(const char* name, std::string& value, Field needed) {
  const auto text = take(name, needed);
  if (!text) return;
  if (is_plain_word(*text)) {
    value = *text;
  } else if (auto plain_text = unquoted(*text)) {
    value = *std::move(plain_text);
  } else {
    fail_value(name, *text, "neither a word nor a text in double quotes");
  }
}

void FieldReader::texts(const char* name, std::vector<std::string>& values) {
  const auto text = take(name, Field::Optional);
  if (!text) return;
  if (!text->starts_with('[')) return fail_value(name, *text, "not a list in [ ]");
  for (ListReader list(*text); !list.at_end();) {
    auto item = list.text();
    if (!item) return fail_value(name, *text, "its items are texts in double quotes");
    values.push_back(*std::move(item));
  }
}

void FieldReader::areas(const char* name, std::vector<ImageArea>& values) {
  const auto text = take(name, Field::Optional);
  if (!text) return;
  if (!text->starts_with('[')) return fail_value(name, *text, "not a list in [ ]");
  for (ListReader list(*text); !list.at_end();) {
    ImageArea area;
    if ((!values.empty() && !list.skip(';')) || !parse_area(list, area))
      return fail_value(name, *text, "its items are 0xBEGIN-0xEND rwx flags=N offset=N \"NAME\";");
    values.push_back(std::move(area));
  }
}

}  // namespace mmusim::trace
