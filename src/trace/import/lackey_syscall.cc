#include "trace/import/lackey_syscall.h"

#include <charconv>

namespace mmusim::trace::lackey {
namespace {

constexpr size_t kMaxArguments = 8;
constexpr size_t kMaxPath = 4096;  // Linux's PATH_MAX

// A number at `at`, which moves behind it. Nothing if there is none or it does not fit 64 bits.
std::optional<uint64_t> number(std::string_view text, size_t& at, int base = 10) {
  uint64_t value = 0;
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, base);
  if (error != std::errc()) return std::nullopt;
  at += static_cast<size_t>(end - begin);
  return value;
}

bool skip(std::string_view text, size_t& at, std::string_view expected) {
  if (!text.substr(at).starts_with(expected)) return false;
  at += expected.size();
  return true;
}

// One argument: decimal, possibly negative, 0x and hexadecimal, or bare hexadecimal (clone's
// flags). Signed ones become their two's complement.
std::optional<uint64_t> argument(std::string_view text, size_t& at, bool bare_hex) {
  if (skip(text, at, "0x")) return number(text, at, 16);
  if (skip(text, at, "-")) {
    const std::optional<uint64_t> value = number(text, at);
    return value ? std::optional<uint64_t>(0 - *value) : std::nullopt;
  }
  return number(text, at, bare_hex ? 16 : 10);
}

// What may follow the arguments, up to the result.
bool at_end_of_call(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  return rest.empty() || rest == "[sync]" || rest == "\n" || rest.starts_with("   ");
}

// The arguments from `at` to the closing bracket. A string may hold anything, brackets and commas
// too: it ends at the first bracket behind which the rest makes sense.
bool arguments(std::string_view text, size_t at, Call& call) {
  while (skip(text, at, " ")) {
  }
  if (skip(text, at, ")")) return at_end_of_call(text, at);
  for (;;) {
    const bool bare_hex = call.arguments.empty() && call.name == "sys_clone";
    const std::optional<uint64_t> value = argument(text, at, bare_hex);
    if (!value || call.arguments.size() == kMaxArguments) return false;
    call.arguments.push_back(*value);
    if (!call.has_path && at < text.size() && text[at] == '(') {
      const size_t start = at + 1;
      const size_t count = call.arguments.size();
      call.has_path = true;
      for (size_t close = text.find(')', start);
           close != std::string_view::npos && close - start <= kMaxPath;
           close = text.find(')', close + 1)) {
        call.arguments.resize(count);
        call.path = text.substr(start, close - start);
        size_t rest = close + 1;
        if (skip(text, rest, " )") && at_end_of_call(text, rest)) return true;
        rest = close + 1;
        if (skip(text, rest, ", ") && arguments(text, rest, call)) return true;
      }
      return false;
    }
    if (skip(text, at, ", ")) continue;
    while (skip(text, at, " ")) {
    }
    return skip(text, at, ")") && at_end_of_call(text, at);
  }
}

}  // namespace

std::optional<CallHead> parse_call_head(std::string_view text) {
  size_t at = 0;
  if (!skip(text, at, "SYSCALL[")) return std::nullopt;
  const std::optional<uint64_t> pid = number(text, at);
  if (!pid || !skip(text, at, ",")) return std::nullopt;
  const std::optional<uint64_t> tid = number(text, at);
  if (!tid || !skip(text, at, "](")) return std::nullopt;
  const std::optional<uint64_t> call = number(text, at);
  if (!call || !skip(text, at, ") ")) return std::nullopt;
  if (*pid > UINT32_MAX || *tid > UINT32_MAX) return std::nullopt;
  return CallHead{static_cast<uint32_t>(*pid), static_cast<uint32_t>(*tid), *call, at};
}

CallResult find_result(std::string_view text) {
  for (size_t arrow = text.find(" --> "); arrow != std::string_view::npos;
       arrow = text.find(" --> ", arrow + 1)) {
    CallResult result;
    result.begin = arrow;
    size_t at = arrow + 5;
    if (skip(text, at, "[async] ...")) {
      result.outcome = Outcome::Waiting;
    } else {
      if (!skip(text, at, "[pre-success] ")) skip(text, at, "[pre-fail] ");
      if (skip(text, at, "NoWriteResult")) {
        result.outcome = Outcome::NoWrite;
      } else {
        const bool success = skip(text, at, "Success(0x");
        if (!success && !skip(text, at, "Failure(0x")) continue;
        std::optional<uint64_t> value = number(text, at, 16);
        // Some versions print two words, the second being the lower.
        if (value && skip(text, at, ":0x")) value = number(text, at, 16);
        if (!value || !skip(text, at, ")")) continue;
        result.outcome = success ? Outcome::Success : Outcome::Failure;
        result.value = *value;
      }
    }
    skip(text, at, " ");
    result.end = at;
    return result;
  }
  return {};
}

Call parse_call(std::string_view text) {
  Call call;
  size_t at = text.find_first_of(" ([");
  if (at == std::string_view::npos) at = text.size();
  call.name = text.substr(0, at);
  at = text.find('(', at);
  if (at != std::string_view::npos) call.complete = arguments(text, at + 1, call);
  constexpr std::string_view kCreated = " created child ";
  const size_t created = text.rfind(kCreated);
  if (created != std::string_view::npos) {
    at = created + kCreated.size();
    const std::optional<uint64_t> child = number(text, at);
    if (child && *child <= UINT32_MAX) call.created_child = static_cast<uint32_t>(*child);
  }
  return call;
}

}  // namespace mmusim::trace::lackey
