// A hostile trace whose checksums are right, replayed on any machine over any page table, with
// every translation checked. It may be refused with an Error, but not for a check that failed; and
// where the input says so, replaying it the fast ways must count the same: from its page streams,
// block by block, and what a sieve keeps of it.
//
// First the machine (machines.h), then how the header lies, then changes of bytes of the streams,
// then the history (history.h).
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "sim/explain.h"
#include "sim/machine_options.h"
#include "sim/simulation.h"
#include "tests/fuzz/history.h"
#include "tests/fuzz/machines.h"
#include "tests/fuzz/memory_file.h"

namespace mmusim::fuzz {
namespace {

constexpr const char* kForeign[] = {"x86_64", "i386", "sparc64", "ppc64", "ia64", "alpha", "vax"};
constexpr unsigned kForeignPages[] = {0, 10, 12, 13, 16, 22, 40, 63};

struct Edit {
  uint8_t stream;
  uint8_t how;
  uint8_t at;
  uint8_t value;
};

void apply(const Edit& edit, Chunk& chunk) {
  auto& stream = chunk.streams[edit.stream % trace::kStreams];
  if (stream.empty()) return;
  const auto at = stream.begin() + edit.at % static_cast<ptrdiff_t>(stream.size());
  if (edit.how % 8 == 0)
    stream.insert(at, edit.value);
  else if (edit.how % 8 == 1)
    stream.erase(at);
  else
    *at = edit.value;
}

using Counters = std::map<std::string, uint64_t>;

// All but the checker's own; nothing if the trace is refused.
Counters replayed(const config::Config& config, sim::ReplayMode mode) {
  sim::ReplayOptions options;
  options.mode = mode;
  Counters counters;
  try {
    const sim::ReplayResult result = sim::replay(config, options);
    for (const stats::Counter& counter : result.report.counters())
      if (!counter.name.starts_with("check.")) counters[counter.name] = counter.value;
  } catch (const Error& error) {
    refuse_defects(error);
  }
  return counters;
}

void compare(const Counters& full, const Counters& fast) {
  if (full == fast) return;
  for (const auto& [name, value] : full) {
    const auto other = fast.find(name);
    if (other == fast.end() || other->second != value)
      std::fprintf(stderr, "%s: %llu, or %lld the fast way\n", name.c_str(),
                   static_cast<unsigned long long>(value),
                   other == fast.end() ? -1LL : static_cast<long long>(other->second));
  }
  std::abort();
}

// One of the first misses, told: the history is replayed twice, and must go the same way.
void explain(const config::Config& config, uint8_t which) {
  sim::MissQuestion question;
  question.number = 1 + which / 2;
  question.hot = which % 2 != 0;
  sim::Moment moment;
  try {
    static_cast<void>(sim::explain_miss(config, nullptr, question, {}, moment));
  } catch (const Error& error) {
    refuse_defects(error);
  }
}

void run(Input input) {
  config::Config config = choose_machine(input);
  mmu::AddressLayout layout;
  try {
    layout = sim::architecture_of(config).layout(config);
  } catch (const Error&) {
    return;  // not a machine
  }
  trace::Header header;
  header.isa = config.choice("machine.arch");
  header.page = layout.page;
  header.program = "p";
  const uint8_t lies = input.byte();
  if ((lies & 1) != 0) header.isa = input.one_of(kForeign);
  if ((lies & 2) != 0) header.page = PageShift(input.one_of(kForeignPages));
  header.big_endian = (lies & 4) != 0;
  // Caches are only simulated the full way.
  const bool both_ways = (lies & 8) != 0 && !config.flag("cache.enabled");
  const bool explained = (lies & 16) != 0;
  const uint8_t miss = explained ? input.byte() : 0;
  std::array<Edit, 7> edits;
  const unsigned edited = lies >> 5;
  for (unsigned i = 0; i < edited; ++i)
    edits[i] = {input.byte(), input.byte(), input.byte(), input.byte()};

  Chunk chunk = history(input, layout);
  for (unsigned i = 0; i < edited; ++i)
    apply(edits[i], chunk);
  const std::vector<uint8_t> trace = container(header, chunk);
  const MemoryFile file(trace);
  config.set("run.trace", keep({reinterpret_cast<const char*>(trace.data()), trace.size()}, ".mmt"),
             "tests/fuzz");
  keep(config);
  config.set("run.trace", file.path(), "tests/fuzz");
  const Counters full = replayed(config, sim::ReplayMode::Full);
  if (explained) explain(config, miss);
  if (!both_ways) return;
  config.set("run.check", "false", "tests/fuzz");
  compare(full, replayed(config, sim::ReplayMode::Fast));
  // From page streams, whether they pay or not; nothing where the machine needs more.
  config.set("run.stream", "pages", "tests/fuzz");
  if (const Counters pages = replayed(config, sim::ReplayMode::Fast); !pages.empty())
    compare(full, pages);
  config.set("run.stream", "full", "tests/fuzz");
  compare(full, replayed(config, sim::ReplayMode::Fast));
  compare(full, replayed(config, sim::ReplayMode::Sifted));
}

}  // namespace
}  // namespace mmusim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mmusim::fuzz::run(mmusim::fuzz::Input({data, size}));
  return 0;
}
