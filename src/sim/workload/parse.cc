// From text to statements.
#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "base/input_file.h"
#include "base/linux_abi.h"
#include "config/nearest.h"
#include "sim/workload/lexer.h"
#include "sim/workload/names.h"
#include "sim/workload/script.h"
#include "sim/workload/words.h"

namespace mmusim::sim::workload {

namespace {

using namespace abi;

constexpr uint64_t kMostScriptBytes = uint64_t{64} << 20;
constexpr unsigned kMostBlocks = 64;

class Parser {
 public:
  Parser(std::string_view text, const std::string& name)
      : name_(name), tokens_(tokens_of(text, name)) {}

  std::vector<Statement> all() { return block(0, std::nullopt); }

 private:
  // A word that may follow a statement, and what it does; true: it has been taken.
  using Words = std::vector<std::pair<std::string, std::function<void()>>>;

  [[noreturn]] void fail(Position at, const std::string& what, const std::string& hint = "") const {
    fail_at(name_, at, what, hint);
  }

  [[nodiscard]] const Token& peek() const { return tokens_[next_]; }
  [[nodiscard]] bool at_end() const { return next_ >= tokens_.size(); }
  [[nodiscard]] bool ends_statement() const { return peek().ends_line() || peek().is("}"); }

  // The next word of the line, which must be there.
  const Token& word(const char* what) {
    const Token& token = tokens_[next_];
    if (token.ends_line()) fail(token.at, fmt::format("the line ends where {} should be", what));
    if (token.is("{") || token.is("}"))
      fail(token.at, fmt::format("'{}' where {} should be", token.text, what));
    ++next_;
    return token;
  }
  bool accept(std::string_view text) {
    if (at_end() || text.empty() || !peek().is(text)) return false;
    ++next_;
    return true;
  }

  Expression number(const char* what) {
    const Token& token = word(what);
    if (token.quoted) fail(token.at, fmt::format("'{}' is not {}", token.text, what));
    return Expression::parse(token.text, token.at, name_, what);
  }

  void check_name(std::string_view text, Position at, const char* what) const {
    const bool good =
        !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
        std::all_of(text.begin(), text.end(), [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
        });
    if (!good)
      fail(at, fmt::format("'{}' is no name for {}", text, what),
           "letters, digits and _, beginning with a letter");
  }
  std::string identifier(const char* what) {
    const Token& token = word(what);
    check_name(token.quoted ? "" : token.text, token.at, what);
    return token.text;
  }
  std::string variable() {
    const Token& token = word("a variable");
    check_name(token.text.find('$') == std::string::npos ? token.text : "", token.at, "a variable");
    return token.text;
  }

  // NAME, or NAME[FROM..TO] with either end left out.
  Part part() {
    const Token token = word("a segment");
    Part part;
    const size_t open = token.text.find('[');
    part.segment = token.text.substr(0, open);
    check_name(token.quoted ? "" : part.segment, token.at, "a segment");
    if (open == std::string::npos) return part;
    const size_t dots = token.text.find("..", open);
    if (dots == std::string::npos || token.text.back() != ']')
      fail(token.at, fmt::format("'{}' is no part of a segment", token.text),
           "NAME[FROM..TO], without spaces");
    const auto bound = [&](size_t begin, size_t end) -> std::optional<Expression> {
      if (begin == end) return std::nullopt;
      const Position at{token.at.line, token.at.column + static_cast<unsigned>(begin)};
      return Expression::parse(std::string_view(token.text).substr(begin, end - begin), at, name_,
                               "a size");
    };
    part.from = bound(open + 1, dots);
    part.to = bound(dots + 2, token.text.size() - 1);
    return part;
  }

  // Whatever of `words` follows, in any order.
  void options(const Words& words) {
    while (!ends_statement() && !peek().is("{")) {
      const Token& token = peek();
      const auto found = std::find_if(words.begin(), words.end(),
                                      [&](const auto& entry) { return token.is(entry.first); });
      if (found == words.end()) {
        std::vector<std::string> known;
        known.reserve(words.size());
        for (const auto& [name, action] : words)
          known.push_back(name);
        std::string hint = config::suggestion(token.text, known);
        if (hint.empty())
          hint = known.empty() ? "nothing" : fmt::format("{}", fmt::join(known, ", "));
        fail(token.at, fmt::format("'{}' is not known here", token.text), hint);
      }
      ++next_;
      found->second();
    }
  }

  static void add_rights(Words& words, Statement& s, bool& said) {
    const auto right = [&s, &said](uint32_t prot) {
      return [&s, &said, prot] {
        s.prot |= prot;
        said = true;
      };
    };
    words.emplace_back("read", right(kProtRead));
    words.emplace_back("write", right(kProtWrite));
    words.emplace_back("exec", right(kProtExec));
    words.emplace_back("none", right(0));
  }

  void map(Statement& s) {
    s.name = identifier("a segment");
    s.value = number("a size");
    s.flags = kMapPrivate | kMapAnonymous;
    bool said = false;
    Words words;
    add_rights(words, s, said);
    const auto flag = [&s](uint32_t bit) { return [&s, bit] { s.flags |= bit; }; };
    words.emplace_back("shared", [&s] { s.flags = (s.flags & ~kMapType) | kMapShared; });
    words.emplace_back("private", [&s] { s.flags = (s.flags & ~kMapType) | kMapPrivate; });
    words.emplace_back("file", [&] {
      s.file = identifier("a file");
      s.flags &= ~uint32_t{kMapAnonymous};
    });
    words.emplace_back("offset", [&] { s.offset = number("an offset"); });
    words.emplace_back("at", [&] { s.place = number("a place"); });
    words.emplace_back("align", [&] { s.alignment = number("an alignment"); });
    words.emplace_back("over", [&s] { s.over = true; });
    words.emplace_back("anywhere", [&s] { s.anywhere = true; });
    words.emplace_back("populate", flag(kMapPopulate));
    words.emplace_back("locked", flag(kMapLocked));
    words.emplace_back("noreserve", flag(kMapNoReserve));
    words.emplace_back("growsdown", flag(kMapGrowsDown));
    words.emplace_back("hugetlb", [&] {
      s.flags |= kMapHugeTlb;
      const bool sized = !ends_statement() && !peek().quoted &&
                         std::isdigit(static_cast<unsigned char>(peek().text[0])) != 0;
      if (sized) s.pool_page = number("a page size");
    });
    options(words);
    if (!said) s.prot = kProtRead | kProtWrite;
    if (s.offset && s.file.empty()) fail(s.at, "an offset without a file");
    const bool pool = (s.flags & kMapHugeTlb) != 0;
    if (pool && !s.file.empty()) fail(s.at, "huge pages of the pool hold no file");
    if (pool && (s.flags & kMapGrowsDown) != 0)
      fail(s.at, "huge pages of the pool do not grow down");
    if (s.over && !s.place) fail(s.at, "over what: 'at PLACE' is missing");
    if (s.anywhere && (s.place || s.alignment))
      fail(s.at, "either 'anywhere', or a place or an alignment is given");
  }

  void touch(Statement& s) {
    s.part = part();
    bool ordered = false;
    const auto order = [&](Order which, bool seeded) {
      return [&s, &ordered, this, which, seeded] {
        if (ordered) fail(tokens_[next_ - 1].at, "one order only");
        ordered = true;
        s.order = which;
        if (seeded) s.seed = number("a seed");
      };
    };
    const auto access = [&s](AccessKind kind) { return [&s, kind] { s.access = kind; }; };
    options({{"read", access(AccessKind::Load)},
             {"write", access(AccessKind::Store)},
             {"exec", access(AccessKind::Fetch)},
             {"stride", [&] { s.stride = number("a size"); }},
             {"count", [&] { s.count = number("a number"); }},
             {"forward", order(Order::Forward, false)},
             {"backwards", order(Order::Backwards, false)},
             {"random", order(Order::Random, true)},
             {"permuted", order(Order::Permuted, true)}});
  }

  void move(Statement& s) {
    s.part = part();
    options({{"as", [&] { s.as = identifier("a segment"); }},
             {"to", [&] { s.place = number("a place"); }},
             {"size", [&] { s.size = number("a size"); }},
             {"keep", [&s] { s.keep = true; }}});
    if (s.keep && s.as.empty()) fail(s.at, "the new segment needs a name", "as NAME");
  }

  void duplicate(Statement& s) {
    s.part = part();
    if (!accept("as")) fail(peek().at, "the new segment needs a name", "as NAME");
    s.as = identifier("a segment");
    options({{"to", [&] { s.place = number("a place"); }}});
  }

  void advise(Statement& s) {
    s.part = part();
    const Token& token = word("advice");
    const auto found = advices().find(token.text);
    if (found == advices().end())
      fail(token.at, fmt::format("no advice '{}'", token.text),
           config::suggestion(token.text, names_of(advices())));
    s.advice = found->second;
    options({{"of", [&] { s.of = identifier("a process"); }}});
  }

  void sync(Statement& s) {
    s.part = part();
    s.flags = kMsSync;
    options({{"async", [&s] { s.flags = kMsAsync; }}});
  }

  void lock_all(Statement& s) {
    const auto flag = [&s](uint32_t bit) { return [&s, bit] { s.flags |= bit; }; };
    options({{"current", flag(kMclCurrent)},
             {"future", flag(kMclFuture)},
             {"onfault", flag(kMclOnFault)}});
    if (s.flags == 0) s.flags = kMclCurrent;
  }

  void thp(Statement& s) {
    const Token& token = word("on, off or advised");
    if (!token.is("on") && !token.is("off") && !token.is("advised"))
      fail(token.at, fmt::format("'{}' is not known here", token.text), "on, off, advised");
    s.off = !token.is("on");
    if (token.is("advised")) s.flags = kThpDisableExceptAdvised;
  }

  void body(Statement& s, unsigned depth) {
    const Position opened = peek().at;
    if (!accept("{")) fail(opened, "'{' should follow on the same line");
    s.has_body = true;
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
    arguments(s, depth);
    if (!at_end() && !ends_statement())
      fail(peek().at, fmt::format("'{}' is too much here", peek().text));
    return s;
  }

  void arguments(Statement& s, unsigned depth) {
    switch (s.verb) {
      case Verb::Map:
        return map(s);
      case Verb::Touch:
        return touch(s);
      case Verb::Move:
        return move(s);
      case Verb::Duplicate:
        return duplicate(s);
      case Verb::Advise:
        return advise(s);
      case Verb::Unmap:
      case Verb::Lock:
      case Verb::Unlock:
        s.part = part();
        return;
      case Verb::Protect: {
        s.part = part();
        bool said = false;
        Words words;
        add_rights(words, s, said);
        options(words);
        if (!said) fail(peek().at, "which rights: read, write, exec, none");
        return;
      }
      case Verb::Resize:
        s.name = identifier("a segment");
        s.value = number("a size");
        return;
      case Verb::Brk:
        s.value = number("a size");
        return;
      case Verb::File:
        s.name = identifier("a file");
        s.value = number("a size");
        options({{"memory", [&s] { s.on_disk = false; }}, {"disk", [&s] { s.on_disk = true; }}});
        return;
      case Verb::Truncate:
        s.name = identifier("a file");
        s.value = number("a size");
        return;
      case Verb::Hole:
        s.name = identifier("a file");
        s.value = number("an offset");
        s.size = number("a size");
        return;
      case Verb::Sync:
        return sync(s);
      case Verb::LockAll:
        return lock_all(s);
      case Verb::Thp:
        return thp(s);
      case Verb::HugePages:
        s.value = number("a number");
        return;
      case Verb::Fork:
      case Verb::Thread:
        if (!peek().is("{")) s.name = identifier("a process");
        if (peek().is("{")) body(s, depth);
        return;
      case Verb::Vfork:
        if (!peek().is("{")) s.name = identifier("a process");
        return body(s, depth);
      case Verb::Wait:
        s.name = identifier("a process");
        return;
      case Verb::In:
        s.name = identifier("a process");
        return body(s, depth);
      case Verb::Define:
        s.name = identifier("a block");
        return body(s, depth);
      case Verb::Do:
        s.name = identifier("a block");
        return;
      case Verb::Pin:
        s.value = number("a CPU");
        return;
      case Verb::Let:
        s.name = variable();
        s.value = number("a number");
        return;
      case Verb::Repeat:
        s.value = number("a number of times");
        if (accept("as")) s.as = variable();
        return body(s, depth);
      case Verb::Measure:
        s.name = word("a name").text;
        return body(s, depth);
      case Verb::Exec:
      case Verb::Exit:
      case Verb::UnlockAll:
        return;
    }
  }

  // Up to the '}' of the '{' at `opened`, or to the end of the script.
  std::vector<Statement> block(unsigned depth, std::optional<Position> opened) {
    if (depth > kMostBlocks) fail(peek().at, "blocks are nested too deeply");
    std::vector<Statement> statements;
    while (true) {
      while (!at_end() && peek().ends_line())
        ++next_;
      if (at_end()) {
        if (opened) fail(*opened, "the block that begins here does not end: '}' is missing");
        return statements;
      }
      if (peek().is("}")) {
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
  return parse(read_file(path, kMostScriptBytes), path);
}

}  // namespace mmusim::sim::workload
