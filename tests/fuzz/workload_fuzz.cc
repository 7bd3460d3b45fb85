// A workload script of anybody's: parsed, unrolled, and if it is not too much work, carried out on
// any machine over any page table, with every translation checked. It may be refused with an Error,
// but not for a check that failed.
//
// The first line says the machine (machines.h), in any bytes; the script follows. Half of the
// mutations change bytes, the others whole statements, so that most of what comes can be parsed.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sim/workload/plan.h"
#include "sim/workload/simulate.h"
#include "tests/fuzz/machines.h"

namespace mmusim::fuzz {
namespace {

namespace wl = sim::workload;

constexpr uint64_t kMostSteps = 200;
constexpr uint64_t kMostTouches = 3000;
constexpr unsigned kMostProcesses = 20;

// Enough for the bytes of a script to come out of it, but no input that takes seconds.
bool too_much(const wl::Plan& plan) {
  if (plan.processes > kMostProcesses) return true;
  uint64_t touches = 0;
  wl::for_each_step(plan, [&](const wl::Step& step) {
    if (step.kind != wl::Step::Kind::Touch || touches > kMostTouches) return;
    const uint64_t count =
        step.count != 0 ? step.count : step.range.bytes() / std::max<uint64_t>(step.stride, 1) + 1;
    touches = count > kMostTouches ? kMostTouches + 1 : touches + count;
  });
  return touches > kMostTouches;
}

// Takes out the line an error names. False: it names none.
bool drop_line(std::string& script, std::string_view error) {
  unsigned line = 0;
  if (std::sscanf(std::string(error).c_str(), "fuzz:%u:", &line) != 1) return false;
  size_t at = 0;
  for (; line > 1 && at < script.size(); --line)
    at = std::min(script.find('\n', at), script.size() - 1) + 1;
  if (at >= script.size()) return false;
  script.erase(at, std::min(script.find('\n', at), script.size()) - at + 1);
  return true;
}

// The plan of a script, or of what is left of it without the statements that are refused: one
// mistake is not to spend the input.
std::optional<wl::Plan> plan_of(std::string script) {
  constexpr unsigned kMostMistakes = 200;
  for (unsigned mistakes = 0; mistakes < kMostMistakes; ++mistakes) {
    try {
      wl::Plan plan = wl::unroll(wl::parse(script, "fuzz"), kMostSteps);
      keep(script, ".workload");
      return plan;
    } catch (const Error& error) {
      if (!drop_line(script, error.what())) break;
    }
  }
  return std::nullopt;
}

void run(std::string_view text) {
  const size_t line = std::min(text.find('\n'), text.size());
  const std::string_view script = text.substr(std::min(line + 1, text.size()));
  Input input({reinterpret_cast<const uint8_t*>(text.data()), line});
  const std::optional<wl::Plan> plan = plan_of(std::string(script));
  if (!plan || too_much(*plan)) return;
  const config::Config config = choose_machine(input);
  keep(config);
  try {
    static_cast<void>(wl::simulate(config, *plan));
  } catch (const Error& error) {
    refuse_defects(error);
  }
}

// Statements, with letters for what is chosen: @ a segment, % a size, # a small number, & a file,
// ! rights, ? advice, ~ a process.
constexpr const char* kStatements[] = {
    "map @ %",
    "map @ % !",
    "map @ % shared",
    "map @ % shared file & offset %",
    "map @ % private file & exec read",
    "map @ % align % populate",
    "map @ % anywhere locked",
    "map @ % over at %",
    "map @ 4M hugetlb",
    "map @ % growsdown noreserve",
    "unmap @",
    "unmap @[%..%]",
    "touch @ write",
    "touch @[%..%] write stride %",
    "touch @ read random # count #",
    "touch @ exec backwards",
    "touch @[..%] permuted #",
    "protect @ !",
    "protect @[%..] !",
    "advise @ ?",
    "advise @[%..%] ?",
    "advise @ ? of ~",
    "lock @[%..%]",
    "unlock @",
    "lockall future onfault",
    "lockall current",
    "unlockall",
    "resize @ %",
    "move @ as @ size %",
    "move @[%..%] as @ keep",
    "move @ to % size %",
    "duplicate @ as @",
    "brk %",
    "file & % disk",
    "file & %",
    "truncate & %",
    "hole & % %",
    "sync @",
    "sync @ async",
    "thp off",
    "thp advised",
    "thp on",
    "hugepages #",
    "pin #",
    "exec",
    "exit",
    "fork ~",
    "fork ~ {\nexit\n}",
    "fork ~ {\ntouch @ write\nexit\n}\nwait ~",
    "vfork ~ {\nexec\n}",
    "thread ~ {\ntouch @ write\nexit\n}",
    "in ~ {\ntouch @ write\n}",
    "wait ~",
    "repeat # {\ntouch @ write\n}",
    "measure x {\ntouch @\n}",
};
constexpr const char* kSizes[] = {"0",  "1",   "4K",   "8K",   "12K", "64K", "256K", "1M",
                                  "2M", "4M",  "6M",   "16M",  "1G",  "2G",  "64G",  "512G",
                                  "8T", "40T", "4095", "4097", "3M",  "32K", "128K", "2M+4K"};
constexpr const char* kRights[] = {"read", "read write", "none", "read exec", "write", "exec"};
constexpr const char* kAdvices[] = {
    "cold",       "collapse",      "dofork",        "dontfork",       "dontneed",
    "free",       "guard-install", "guard-remove",  "hugepage",       "keeponfork",
    "nohugepage", "pageout",       "populate-read", "populate-write", "random",
    "remove",     "sequential",    "willneed",      "wipeonfork",     "dontneed-locked"};

// A random statement.
std::string statement(std::minstd_rand& random) {
  const auto one_of = [&](const auto& items) {
    return std::string(items[random() % std::size(items)]);
  };
  std::string made;
  for (const char c : std::string_view(kStatements[random() % std::size(kStatements)])) {
    if (c == '@')
      made += static_cast<char>('a' + random() % 4);
    else if (c == '~')
      made += static_cast<char>('p' + random() % 3);
    else if (c == '&')
      made += static_cast<char>('f' + random() % 3);
    else if (c == '%')
      made += one_of(kSizes);
    else if (c == '#')
      made += std::to_string(random() % 5);
    else if (c == '!')
      made += one_of(kRights);
    else if (c == '?')
      made += one_of(kAdvices);
    else
      made += c;
  }
  return made;
}

// A statement more, less, twice or elsewhere.
std::string with_other_statements(std::string_view text, std::minstd_rand& random) {
  std::vector<std::string> lines;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (lines.size() == 1) lines.emplace_back("");
  // The first line is not the script's.
  const auto place = [&] {
    const size_t after = random() % std::max<size_t>(lines.size() - 1, 1);
    return lines.begin() + 1 + static_cast<std::ptrdiff_t>(after);
  };
  switch (random() % 8) {
    case 0:
      lines.erase(place());
      break;
    case 1:
      std::iter_swap(place(), place());
      break;
    case 2: {
      const std::string again = *place();
      lines.insert(place(), again);
      break;
    }
    case 3:
      *place() = statement(random);
      break;
    default:
      lines.insert(place(), statement(random));
  }
  std::string made;
  for (const std::string& line : lines)
    made += line + "\n";
  made.pop_back();
  return made;
}

}  // namespace
}  // namespace mmusim::fuzz

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  std::minstd_rand random(seed);
  if (random() % 2 == 0) return LLVMFuzzerMutate(data, size, most);
  const std::string made =
      mmusim::fuzz::with_other_statements({reinterpret_cast<const char*>(data), size}, random);
  const size_t bytes = std::min(made.size(), most);
  std::copy_n(made.begin(), bytes, data);
  return bytes;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mmusim::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
