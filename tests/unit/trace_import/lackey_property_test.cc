// Random histories, printed as lackey would log them, import to the same histories.
//
// Each process's own records must come back exactly and in order; between processes the rules of
// fork, vfork and wait must hold. Printing here is a second description of the log format, apart
// from the parser's.
#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <utility>

#include "base/random.h"
#include "recording_sink.h"
#include "tests/effort.h"

namespace mmusim::trace::lackey {
namespace lackey_property_test {

struct History {
  std::map<std::string, std::string> logs;           // by name
  std::map<int, std::vector<std::string>> expected;  // by pid
  std::map<int, int> parent;                         // of those born by fork
  std::set<int> by_vfork;
  std::map<int, int> status;
};

// The same log, with messages of Valgrind's anywhere in its lines, as if it had been interrupted:
// in a reference, in a call's number, arguments or result, before a line's end.
std::string interrupted(const std::string& log, int pid, Random& random) {
  std::string out;
  bool header = true;
  bool first = true;
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = log.find('\n', begin);
    if (end == std::string::npos) return out + log.substr(begin);  // a successful exec's
    std::string line = log.substr(begin, end + 1 - begin);
    begin = end + 1;
    header = header && line.starts_with("==");
    if (!header && !line.starts_with("==") && random.below(6) == 0) {
      // What tells that a log goes on from a fork stays.
      size_t least = std::exchange(first, false) ? 5 : 1;
      for (uint64_t times = 1 + random.below(2); times > 0; --times) {
        const size_t at = least + random.below(line.find('\n') - least + 1);
        std::string message;
        for (uint64_t lines = 1 + random.below(3); lines > 0; --lines) {
          const char mark = "=-*"[random.below(3)];
          message += fmt::format("{0}{0}{1}{0}{0} {2}\n", mark, pid,
                                 random.below(2) == 0 ? "Warning: set address range perms: (a, b)"
                                                      : "   at 0x401000: f (in /bin/a)");
        }
        out += line.substr(0, at) + message;
        line.erase(0, at);
        least = 1;
        if (line.size() == 1) break;
      }
    }
    first = first && header;
    out += line;
  }
  return out;
}

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  History make() {
    process(100, 1, 0);
    return std::move(history_);
  }

 private:
  bool one_in(uint64_t n) { return random_.below(n) == 0; }

  static std::string header(int pid, int parent, const std::string& command) {
    return fmt::format(
        "=={0}== Lackey, an example Valgrind tool\n=={0}== Using Valgrind-3.19.0 and LibVEX\n"
        "=={0}== Command: {1}\n=={0}== Parent PID: {2}\n=={0}== \n",
        pid, command, parent);
  }

  uint64_t address() { return random_.next() >> random_.below(60); }

  void process(int pid, int parent, int depth) {
    std::string log = header(pid, parent, "program");
    std::vector<std::string> expected;
    const auto expect = [&](const std::string& text) {
      expected.push_back(fmt::format("{0}/{0} {1}", pid, text));
    };
    unsigned image = 0;
    if (depth > 0) {
      log += " --> [pre-success] Success(0x0) \n";
    } else {
      expect("exec program [program]");
    }
    std::vector<int> children;
    const uint64_t steps = 1 + random_.below(60);
    for (uint64_t step = 0; step < steps; ++step) {
      switch (random_.below(9)) {
        case 0:
          memory_call(pid, log, expect);
          break;
        case 1:
          if (depth < 4 && next_pid_ < 112) {
            const int child = next_pid_++;
            const bool vfork = one_in(2);
            log += vfork ? fmt::format("SYSCALL[{0},1](58) sys_fork ( )   fork: ", pid)
                         : fmt::format(
                               "SYSCALL[{0},1](56) sys_clone ( 1200011, 0x0, 0x0, "
                               "0x4a29a10, 0x0 )   clone(fork): ",
                               pid);
            log += fmt::format("process {} created child {}\n --> [pre-success] Success(0x{:x}) \n",
                               pid, child, child);
            expect(fmt::format("fork {0}/{0} flags {1}", child, vfork ? "4111 shared" : "1200011"));
            history_.parent[child] = pid;
            if (vfork) history_.by_vfork.insert(child);
            children.push_back(child);
            process(child, pid, depth + 1);
          }
          break;
        case 2:
          if (!children.empty()) {
            const size_t which = random_.below(children.size());
            const int child = children[which];
            children.erase(children.begin() + static_cast<ptrdiff_t>(which));
            log += fmt::format(
                "SYSCALL[{0},1](61) sys_wait4 ( 4294967295, 0x0, 0, 0x0 ) --> [async] ... \n"
                "SYSCALL[{0},1](61) ... [async] --> Success(0x{1:x}) \n",
                pid, child);
            expect(fmt::format("wait {} {}", child, history_.status.at(child)));
          }
          break;
        case 3:
          if (one_in(4) && image < 3) {
            const std::string program = fmt::format("/bin/p{}", random_.below(100));
            log += fmt::format("SYSCALL[{},1](59) sys_execve ( 0x1({}), 0x2, 0x3 )", pid, program);
            history_.logs[fmt::format("a.{}.{}-{}", pid, image, depth > 0 && image == 0 ? 2 : 1)] =
                log;
            ++image;
            log = header(pid, parent, program + " an\\ argument");
            expect(fmt::format("exec {0} [{0}|an argument]", program));
          }
          break;
        default:
          references(log, expect);
      }
    }
    history_.status[pid] = finish(pid, log, expect);
    history_.logs[fmt::format("a.{}.{}", pid, depth > 0 && image == 0 ? 2 : 1)] = log;
    history_.expected[pid] = std::move(expected);
  }

  template <class Expect>
  void references(std::string& log, Expect& expect) {
    const uint64_t count = random_.below(300);
    for (uint64_t i = 0; i < count; ++i) {
      const bool instruction = i == 0 || one_in(2);
      const uint64_t at = address();
      const uint64_t size = instruction ? 1 + random_.below(15) : uint64_t{1} << random_.below(6);
      const char kind = instruction ? 'I' : "LSM"[random_.below(3)];
      log += fmt::format("{} {:08x},{}\n", instruction ? "I " : fmt::format(" {}", kind), at, size);
      expect(fmt::format("{} {:x},{}", kind, at, size));
    }
  }

  template <class Expect>
  void memory_call(int pid, std::string& log, Expect& expect) {
    const uint64_t at = address() & ~uint64_t{0xfff};
    const uint64_t length = random_.next() >> (1 + random_.below(60));
    const int64_t result = one_in(3) ? -12 : 0;
    const std::string printed = result == 0 ? " --> Success(0x0) \n" : " --> Failure(0xc) \n";
    switch (random_.below(4)) {
      case 0:
        log += fmt::format("SYSCALL[{},1](11) sys_munmap ( 0x{:x}, {} )[sync]{}", pid, at, length,
                           printed);
        expect(fmt::format("munmap {:x} {} = {}", at, length, result));
        break;
      case 1:
        log += fmt::format("SYSCALL[{},1](10) sys_mprotect ( 0x{:x}, {}, 5 )[sync]{}", pid, at,
                           length, printed);
        expect(fmt::format("mprotect {:x} {} prot 5 = {}", at, length, result));
        break;
      case 2:
        log += fmt::format(
            "SYSCALL[{0},1](28) sys_madvise ( 0x{1:x}, {2}, 4 ) --> [async] ... \n"
            "SYSCALL[{0},1](28) ... [async]{3}",
            pid, at, length, printed);
        expect(fmt::format("madvise {:x} {} 4 = {}", at, length, result));
        break;
      default:
        log += fmt::format(
            "SYSCALL[{},1](9) sys_mmap ( 0x0, {}, 3, 34, 4294967295, 0 ) --> [pre-success] "
            "Success(0x{:x}) \n",
            pid, length, at);
        expect(fmt::format("mmap 0 {} prot 3 flags 34 fd -1 at 0 = {:x}", length,
                           static_cast<int64_t>(at)));
    }
  }

  template <class Expect>
  int finish(int pid, std::string& log, Expect& expect) {
    int status = 0;
    if (one_in(4)) {
      status = 1 + static_cast<int>(random_.below(15));
      log += fmt::format("=={}== Process terminating with default action of signal {} (SIGX)\n",
                         pid, status);
    } else {
      const int code = static_cast<int>(random_.below(256));
      status = code << 8;
      log += fmt::format("SYSCALL[{},1](231) exit_group( {} ) --> [pre-success] Success(0x0) \n",
                         pid, code);
    }
    log += fmt::format("=={}== \n=={}== Exit code:       0\n", pid, pid);
    expect(fmt::format("exit {}", status));
    return status;
  }

  Random random_;
  History history_;
  int next_pid_ = 101;
};

using ByProcess = std::map<int, std::vector<std::string>>;

std::string first_difference(const ByProcess& expected, const ByProcess& got) {
  for (const auto& [pid, records] : expected) {
    const auto other = got.find(pid);
    if (other == got.end()) return fmt::format("nothing of process {}", pid);
    const auto [a, b] =
        std::mismatch(records.begin(), records.end(), other->second.begin(), other->second.end());
    if (a == records.end() && b == other->second.end()) continue;
    return fmt::format("record {} of process {} is {} instead of {}", a - records.begin(), pid,
                       b == other->second.end() ? "missing" : *b, a == records.end() ? "none" : *a);
  }
  return expected.size() == got.size() ? "" : "processes that should not be there";
}

TEST(LackeyProperty, HistoriesComeBack) {
  for (uint64_t seed = 1; seed <= tests::effort(30); ++seed) {
    SCOPED_TRACE(seed);
    const History history = Maker(seed).make();
    const TemporaryDirectory directory;
    std::vector<std::string> paths;
    Random random(seed);
    for (const auto& [name, log] : history.logs) {
      const int pid = std::stoi(name.substr(2));
      paths.push_back(directory.write(name, seed % 2 == 0 ? log : interrupted(log, pid, random)));
    }
    Options options;
    options.quantum = 1 + seed * seed % 300;
    const Imported got = import(paths, options);
    EXPECT_TRUE(got.result.warnings.empty()) << got.result.warnings.front();
    EXPECT_EQ(got.result.skipped_records, 0u);

    std::map<int, std::vector<std::string>> by_process;
    std::map<int, size_t> born;
    std::map<int, size_t> released;  // the vfork caller may go on
    std::map<int, size_t> ended;
    for (size_t i = 0; i < got.records.size(); ++i) {
      const std::string& record = got.records[i];
      const int pid = std::stoi(record);
      const std::string what = record.substr(record.find(' ') + 1);
      // Born before it does anything; nothing after its end; no vfork caller before its time.
      const auto parent = history.parent.find(pid);
      if (parent != history.parent.end()) {
        ASSERT_TRUE(born.contains(pid)) << record;
      }
      ASSERT_FALSE(ended.contains(pid)) << record;
      for (const auto& [child, its_parent] : history.parent) {
        if (its_parent == pid && born.contains(child) && history.by_vfork.contains(child)) {
          ASSERT_TRUE(released.contains(child)) << record;
        }
      }
      if (what.starts_with("fork ")) born[std::stoi(what.substr(5))] = i;
      if (what.starts_with("wait ")) {
        ASSERT_TRUE(ended.contains(std::stoi(what.substr(5)))) << record;
      }
      if (what.starts_with("exit ")) ended[pid] = i;
      if (what.starts_with("exit ") || what.starts_with("exec ")) released[pid] = i;
      by_process[pid].push_back(record);
    }
    ASSERT_EQ(first_difference(history.expected, by_process), "");

    EXPECT_EQ(import(paths, options).records, got.records);  // the same again
  }
}

}  // namespace lackey_property_test
}  // namespace mmusim::trace::lackey
