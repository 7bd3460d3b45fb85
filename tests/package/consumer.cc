// Writes a small trace and replays it, through the installed headers and libraries alone.
#include <cstdio>
#include <string>

#include "sim/simulation.h"
#include "trace/writer.h"

int main(int argc, char** argv) {
  using namespace mmusim;
  const std::string path = argc > 1 ? argv[1] : "consumer.mmt";
  trace::Header header;
  header.isa = "x86_64";
  header.program = "consumer";
  trace::Writer writer(path, header);
  writer.thread({Pid(1), Tid(1)});
  for (unsigned i = 0; i < 100; ++i) {
    writer.instruction(VirtAddr(0x400000 + 4 * i), 4);
    writer.access(AccessKind::Load, VirtAddr(0x10000000 + 4096 * i), 8);
  }
  writer.finish();

  config::Schema schema;
  sim::declare(schema);
  config::Config config(schema);
  config.set("run.trace", path, "consumer");
  config.set("run.check", "true", "consumer");
  const sim::ReplayResult result = sim::replay(config, {});
  const bool good = result.totals.instructions == 100 && result.totals.loads == 100 &&
                    result.report.value("tlb.l1d.misses") == 100;
  std::puts(good ? "good" : "wrong");
  return good ? 0 : 1;
}
