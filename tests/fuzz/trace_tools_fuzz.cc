// A hostile trace whose checksums are right, through every tool of the trace commands: verify,
// survey, reuse distances, cut and merge. Each may refuse it with an Error, and what they count
// must add up.
//
// First the page size of the header, then where to cut, then the history (history.h).
#include <cstdlib>

#include "base/error.h"
#include "tests/fuzz/history.h"
#include "tests/fuzz/memory_file.h"
#include "trace/cut.h"
#include "trace/dump.h"
#include "trace/merge.h"
#include "trace/stats.h"
#include "trace/verify.h"

namespace mmusim::fuzz {
namespace {

constexpr unsigned kHeaderPages[] = {12, 13, 16, 22, 40};
constexpr const char* kNowhere = "/dev/null";

void expect(bool holds) {
  if (!holds) std::abort();
}

void tools(const std::string& path, const trace::InstructionRange& part) {
  const trace::VerifyReport verified = trace::verify(path);
  const trace::Totals& totals = verified.info.totals;
  const trace::Info info = trace::survey_trace(path, 7);
  expect(info.totals == totals);
  trace::Totals of_processes;
  for (const trace::ProcessLife& life : info.survey->processes)
    of_processes += life.totals;
  expect(of_processes == totals);
  const trace::Stats stats =
      trace::read_stats(path, {.pages = {PageShift(12), PageShift(21)}, .entries = {1, 64}});
  for (const trace::Reuse& reuse : stats.pages) {
    const auto& both = reuse.counts(trace::ReuseSide::Both);
    expect(both.lookups() >= totals.references());
    expect(both.misses(64) <= both.misses(1) && both.first() <= both.misses(64));
  }
  expect(info.survey->spaces == stats.spaces);
  trace::Reader reader(path);
  uint64_t lines = 0;
  trace::dump(reader, {.instructions = part}, [&](std::string_view) {
    ++lines;
    return true;
  });
  if (part.from < totals.instructions && part.to <= totals.instructions) {
    const trace::CutResult result = trace::cut(path, part, kNowhere);
    expect(result.totals.instructions == part.to - part.from);
    expect(result.totals.references() + result.totals.events == lines + result.state_events);
  }
  const trace::MergeResult both = trace::merge({path, path}, kNowhere, {.quantum = 3});
  expect(both.totals.references() == 2 * totals.references());
  expect(both.totals.events == 2 * totals.events);
}

void run(Input input) {
  mmu::AddressLayout layout;
  layout.page = PageShift(input.one_of(kHeaderPages));
  layout.top = VirtAddr(uint64_t{1} << 47);
  layout.stack_top = layout.top - layout.page.bytes();
  layout.mmap_base = VirtAddr(0x7f0000000000);
  trace::Header header;
  header.isa = "x86_64";
  header.page = layout.page;
  const uint64_t from = input.byte();
  const trace::InstructionRange part{from, from + 1 + input.byte()};
  const std::vector<uint8_t> trace = container(header, history(input, layout));
  const MemoryFile file(trace);
  try {
    tools(file.path(), part);
  } catch (const Error&) {
  }
}

}  // namespace
}  // namespace mmusim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mmusim::fuzz::run(mmusim::fuzz::Input({data, size}));
  return 0;
}
