// From text to statements.
#include <cctype>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "config/nearest.h"
#include "kernel/linux_abi.h"
#include "sim/workload/script.h"

namespace mmusim::sim::workload {

namespace {

using namespace kernel::abi;

constexpr unsigned kMostDepth = 64;
constexpr uint64_t kMostBytes = kReach;

struct Token {
  std::string text;  // empty: end of the line; "{", "}", or a word; quotes are taken off
  Position at;
  bool quoted = false;
};

const std::map<std::string, Verb, std::less<>>& verbs() {
  static const std::map<std::string, Verb, std::less<>> kVerbs = {
      {"map", Verb::Map},         {"unmap", Verb::Unmap},   {"touch", Verb::Touch},
      {"protect", Verb::Protect}, {"advise", Verb::Advise}, {"resize", Verb::Resize},
      {"move", Verb::Move},       {"fork", Verb::Fork},     {"in", Verb::In},
      {"wait", Verb::Wait},       {"repeat", Verb::Repeat}, {"measure", Verb::Measure}};
  return kVerbs;
}

const std::map<std::string, uint32_t, std::less<>>& advices() {
  static const std::map<std::string, uint32_t, std::less<>> kAdvices = {
      {"normal", kAdviceNormal},
      {"random", kAdviceRandom},
      {"sequential", kAdviceSequential},
      {"willneed", kAdviceWillNeed},
      {"dontneed", kAdviceDontNeed},
      {"dontfork", kAdviceDontFork},
      {"dofork", kAdviceDoFork},
      {"wipeonfork", kAdviceWipeOnFork},
      {"keeponfork", kAdviceKeepOnFork},
      {"populate-read", kAdvicePopulateRead},
      {"populate-write", kAdvicePopulateWrite}};
  return kAdvices;
}

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  names.reserve(map.size());
  for (const auto& [name, value] : map)
    names.push_back(name);
  return names;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : name_(name) {
    Position at{1, 1};
    for (size_t i = 0; i <= text.size();) {
      if (i == text.size() || text[i] == '\n') {
        tokens_.push_back({"", at, false});
        ++at.line;
        at.column = 1;
        ++i;
        continue;
      }
      const char c = text[i];
      if (c == '#') {
        while (i < text.size() && text[i] != '\n')
          ++i;
        continue;
      }
      size_t end = i + 1;
      if (c == '"') {
        while (end < text.size() && text[end] != '"' && text[end] != '\n')
          ++end;
        if (end == text.size() || text[end] != '"') fail(at, "a quoted name does not end");
        tokens_.push_back({std::string(text.substr(i + 1, end - i - 1)), at, true});
        ++end;
      } else if (c == '{' || c == '}') {
        tokens_.push_back({std::string(1, c), at, false});
      } else if (std::isspace(static_cast<unsigned char>(c)) == 0) {
        if (static_cast<unsigned char>(c) < ' ') fail(at, "a control character");
        while (end < text.size() && is_word(text[end]))
          ++end;
        tokens_.push_back({std::string(text.substr(i, end - i)), at, false});
      }
      at.column += static_cast<unsigned>(end - i);
      i = end;
    }
  }

  std::vector<Statement> all() {
    std::vector<Statement> statements = block(0, std::nullopt);
    return statements;
  }

 private:
  static bool is_word(char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '{' && c != '}' && c != '#' && c != '"';
  }

  [[noreturn]] void fail(Position at, const std::string& what, const std::string& hint = "") const {
    throw UsageError(fmt::format("{}:{}:{}", name_, at.line, at.column), what, hint);
  }

  [[nodiscard]] const Token& peek() const { return tokens_[next_]; }
  [[nodiscard]] bool at_end() const { return next_ >= tokens_.size(); }
  [[nodiscard]] static bool ends_line(const Token& token) {
    return token.text.empty() && !token.quoted;
  }
  [[nodiscard]] bool ends_statement() const {
    return ends_line(peek()) || (!peek().quoted && peek().text == "}");
  }
  // The next word of the line, which must be there.
  const Token& word(const char* what) {
    const Token& token = tokens_[next_];
    if (ends_line(token)) fail(token.at, fmt::format("the line ends where {} should be", what));
    if (!token.quoted && (token.text == "{" || token.text == "}"))
      fail(token.at, fmt::format("'{}' where {} should be", token.text, what));
    ++next_;
    return token;
  }
  bool accept(std::string_view text) {
    if (at_end() || peek().quoted || peek().text != text || text.empty()) return false;
    ++next_;
    return true;
  }

  uint64_t number(const char* what, uint64_t least, uint64_t most) {
    const Token& token = word(what);
    return number_of(token.text, token.at, what, least, most);
  }
  uint64_t number_of(std::string_view text, Position at, const char* what, uint64_t least,
                     uint64_t most) const {
    const auto value = parse_size(text);
    if (!value) fail(at, fmt::format("'{}' is not {}", text, what));
    if (*value < least || *value > most)
      fail(at, fmt::format("{} is out of range: {} to {}", *value, least, most));
    return *value;
  }

  std::string identifier(const char* what) {
    const Token& token = word(what);
    const bool good =
        !token.quoted && (std::isalpha(static_cast<unsigned char>(token.text[0])) != 0);
    if (!good || token.text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_-") != std::string::npos)
      fail(token.at, fmt::format("'{}' is no name for {}", token.text, what));
    return token.text;
  }

  // NAME, or NAME[FROM..TO] with either end left out.
  Part part() {
    const Token token = word("a segment");
    Part part;
    const size_t open = token.text.find('[');
    part.segment = token.text.substr(0, open);
    if (open == std::string::npos) return part;
    const size_t dots = token.text.find("..", open);
    if (dots == std::string::npos || token.text.back() != ']')
      fail(token.at, fmt::format("'{}' is no part of a segment", token.text), "NAME[FROM..TO]");
    const std::string from = token.text.substr(open + 1, dots - open - 1);
    const std::string to = token.text.substr(dots + 2, token.text.size() - dots - 3);
    if (!from.empty()) part.from = number_of(from, token.at, "a size", 0, kMostBytes);
    if (!to.empty()) part.to = number_of(to, token.at, "a size", 0, kMostBytes);
    if (part.to && *part.to <= part.from) fail(token.at, "the part is empty");
    return part;
  }

  uint32_t rights() {
    uint32_t prot = 0;
    while (true) {
      if (accept("read"))
        prot |= kProtRead;
      else if (accept("write"))
        prot |= kProtWrite;
      else if (accept("exec"))
        prot |= kProtExec;
      else
        return prot;
    }
  }

  void map(Statement& s) {
    s.name = identifier("a segment");
    s.bytes = number("a size", 1, kMostBytes);
    s.flags = kMapPrivate | kMapAnonymous;
    bool said = false;
    while (!ends_statement()) {
      const uint32_t prot = rights();
      if (prot != 0 || accept("none")) {
        s.prot |= prot;
        said = true;
      } else if (accept("shared")) {
        s.flags = (s.flags & ~uint32_t{kMapPrivate}) | kMapShared;
      } else if (accept("populate")) {
        s.flags |= kMapPopulate;
      } else if (accept("file")) {
        s.file = identifier("a file");
        s.flags &= ~uint32_t{kMapAnonymous};
      } else if (accept("at")) {
        s.place = number("an offset", 0, kMostBytes);
      } else if (!accept("private")) {
        unknown_word("read, write, exec, none, private, shared, file NAME, populate, at OFFSET");
      }
    }
    if (!said) s.prot = kProtRead | kProtWrite;
  }

  void touch(Statement& s) {
    s.part = part();
    s.bytes = 4096;
    while (!ends_statement()) {
      if (accept("write")) {
        s.write = true;
      } else if (accept("stride")) {
        s.bytes = number("a size", 1, kMostBytes);
      } else if (accept("random")) {
        s.seed = number("a seed", 0, ~uint64_t{0});
      } else if (accept("count")) {
        s.count = number("a number", 1, 1u << 30);
      } else if (accept("backwards")) {
        s.backwards = true;
      } else if (!accept("read")) {
        unknown_word("read, write, stride SIZE, random SEED, count N, backwards");
      }
    }
  }

  [[noreturn]] void unknown_word(const char* known) {
    fail(peek().at, fmt::format("'{}' is not known here", peek().text), known);
  }

  void advise(Statement& s) {
    s.part = part();
    const Token& token = word("advice");
    const auto found = advices().find(token.text);
    if (found == advices().end())
      fail(token.at, fmt::format("no advice '{}'", token.text),
           config::suggestion(token.text, names_of(advices())));
    s.advice = found->second;
  }

  void body(Statement& s, unsigned depth) {
    const Position opened = peek().at;
    if (!accept("{")) fail(opened, "'{' should follow on the same line");
    s.body = block(depth + 1, opened);
  }

  Statement statement(unsigned depth) {
    const Token token = word("a statement");
    Statement s;
    s.at = token.at;
    const auto found = verbs().find(token.text);
    if (token.quoted || found == verbs().end())
      fail(token.at, fmt::format("no statement '{}'", token.text),
           config::suggestion(token.text, names_of(verbs())));
    s.verb = found->second;
    switch (s.verb) {
      case Verb::Map:
        map(s);
        break;
      case Verb::Unmap:
        s.part = part();
        break;
      case Verb::Touch:
        touch(s);
        break;
      case Verb::Protect:
        s.part = part();
        s.prot = rights();
        if (s.prot == 0 && !accept("none"))
          fail(peek().at, "which rights: read, write, exec, none");
        break;
      case Verb::Advise:
        advise(s);
        break;
      case Verb::Resize:
        s.name = identifier("a segment");
        s.bytes = number("a size", 1, kMostBytes);
        break;
      case Verb::Move:
        s.name = identifier("a segment");
        if (accept("to")) s.place = number("an offset", 0, kMostBytes);
        break;
      case Verb::Fork:
      case Verb::Wait:
        s.name = identifier("a process");
        break;
      case Verb::In:
        s.name = identifier("a process");
        body(s, depth);
        break;
      case Verb::Repeat:
        s.count = number("a number of times", 1, 1'000'000);
        body(s, depth);
        break;
      case Verb::Measure:
        s.name = word("a name").text;
        body(s, depth);
        break;
    }
    if (!at_end() && !ends_line(peek()) && peek().text != "}")
      fail(peek().at, fmt::format("'{}' is too much here", peek().text));
    return s;
  }

  // Up to the '}' of the '{' at `opened`, or to the end of the script.
  std::vector<Statement> block(unsigned depth, std::optional<Position> opened) {
    if (depth > kMostDepth) fail(peek().at, "blocks are nested too deeply");
    std::vector<Statement> statements;
    while (true) {
      while (!at_end() && ends_line(peek()))
        ++next_;
      if (at_end()) {
        if (opened) fail(*opened, "the block that begins here does not end: '}' is missing");
        return statements;
      }
      if (peek().text == "}" && !peek().quoted) {
        if (!opened) fail(peek().at, "'}' without a '{'");
        ++next_;
        return statements;
      }
      statements.push_back(statement(depth));
    }
  }

  const std::string& name_;
  std::vector<Token> tokens_;
  size_t next_ = 0;
};

}  // namespace

Script parse(std::string_view text, const std::string& name) {
  return {name, Parser(text, name).all()};
}

Script load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()) || file.bad()) {
    if (!file || text.str().empty()) throw UsageError(path, "cannot read the script");
  }
  return parse(text.str(), path);
}

}  // namespace mmusim::sim::workload
