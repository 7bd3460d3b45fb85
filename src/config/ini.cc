#include "config/ini.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <utility>

#include "base/error.h"

namespace mmusim::config {
namespace {

// A configuration is some kilobytes; what is longer is some other file, given by mistake.
constexpr size_t kMostFileBytes = size_t{1} << 20;

constexpr std::string_view kBlank = " \t\r\f\v";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Without a comment: from a # at the start or after white space.
std::string_view without_comment(std::string_view text) {
  for (size_t at = text.find('#'); at != std::string_view::npos; at = text.find('#', at + 1)) {
    if (at == 0 || kBlank.find(text[at - 1]) != std::string_view::npos) return text.substr(0, at);
  }
  return text;
}

std::string_view comment_of(std::string_view text) {
  const std::string_view comment = text.substr(without_comment(text).size());
  return comment.empty() ? comment : trim(comment.substr(1));
}

bool is_name(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
             std::string_view::npos;
}

struct Quoted {
  std::string value;
  std::string comment;
};

// The inside of a quoted value; nothing if the closing quote is missing, an escape is unknown or
// something other than a comment follows.
std::optional<Quoted> unquote(std::string_view text) {
  std::string value;
  size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] != '\\') {
      value += text[at];
      continue;
    }
    if (++at == text.size()) return std::nullopt;
    switch (text[at]) {
      case '"':
      case '\\':
        value += text[at];
        break;
      case 'n':
        value += '\n';
        break;
      case 'r':
        value += '\r';
        break;
      case 't':
        value += '\t';
        break;
      default:
        return std::nullopt;
    }
  }
  if (at == text.size()) return std::nullopt;
  const std::string_view rest = text.substr(at + 1);
  if (!trim(without_comment(rest)).empty()) return std::nullopt;
  return Quoted{std::move(value), std::string(comment_of(rest))};
}

class Parser {
 public:
  explicit Parser(const std::string& file) : file_(file) {}

  void line(std::string_view text) {
    ++line_;
    if (text.find('\0') != std::string_view::npos) {
      fail("not a text file: the line holds a zero byte");
    }
    text = trim(text);
    if (text.empty() || text.front() == '#') return;
    if (text.front() == '[') {
      section(text);
    } else {
      setting(text);
    }
  }

  std::vector<IniSetting> take() { return std::move(settings_); }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& what_to_do = "") const {
    throw UsageError(fmt::format("{}:{}", file_, line_), what, what_to_do);
  }

  void section(std::string_view text) {
    text = trim(without_comment(text));
    const std::string_view name = trim(text.substr(1, text.size() - 2));
    if (text.back() != ']' || !is_name(name)) fail("not a section line", "write [section.name]");
    section_ = std::string(name) + ".";
  }

  void setting(std::string_view text) {
    const size_t equals = text.find('=');
    const std::string_view name = trim(text.substr(0, equals));
    if (equals == std::string_view::npos || !is_name(name)) {
      fail("neither a [section] nor a 'key = value' line", "comments begin with #");
    }
    IniSetting setting{section_ + std::string(name), "", line_, ""};
    const std::string_view raw = trim(text.substr(equals + 1));
    if (raw.starts_with('"')) {
      auto quoted = unquote(raw);
      if (!quoted)
        fail("the quoted value does not end properly", "write \\\" for a quote inside it");
      setting.value = std::move(quoted->value);
      setting.comment = std::move(quoted->comment);
    } else {
      setting.value = std::string(trim(without_comment(raw)));
      setting.comment = std::string(comment_of(raw));
    }
    const auto [first, fresh] = lines_.emplace(setting.key, line_);
    if (!fresh) {
      fail(fmt::format("key '{}' is given twice", setting.key),
           fmt::format("first in line {}", first->second));
    }
    settings_.push_back(std::move(setting));
  }

  const std::string& file_;
  size_t line_ = 0;
  std::string section_;
  std::map<std::string, size_t> lines_;
  std::vector<IniSetting> settings_;
};

}  // namespace

std::vector<IniSetting> parse_ini(std::string_view text, const std::string& file) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Parser parser(file);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    parser.line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parser.take();
}

std::string read_ini(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    throw UsageError(path, "cannot read: it is a directory");
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             &std::fclose);
  if (!file) throw UsageError(path, fmt::format("cannot open: {}", std::strerror(errno)));
  std::string text;
  std::array<char, 4096> buffer{};
  while (const size_t bytes = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    text.append(buffer.data(), bytes);
    if (text.size() > kMostFileBytes) {
      throw UsageError(path, "too long for a configuration (more than 1 MiB)");
    }
  }
  if (std::ferror(file.get()) != 0) {
    throw UsageError(path, fmt::format("cannot read: {}", std::strerror(errno)));
  }
  return text;
}

std::string ini_value(std::string_view value) {
  const bool plain = value == trim(value) && !value.starts_with('"') &&
                     value.find_first_of("#\n\r\t") == std::string_view::npos;
  if (plain) return std::string(value);
  std::string text = "\"";
  for (const char c : value) {
    switch (c) {
      case '"':
      case '\\':
        text += '\\';
        text += c;
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      default:
        text += c;
    }
  }
  return text + '"';
}

}  // namespace mmusim::config
