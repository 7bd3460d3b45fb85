#include "sim/run_options.h"

#include "base/error.h"
#include "config/keys.h"

namespace mmusim::sim {

const config::Keys<RunOptions>& RunOptions::keys() {
  constexpr uint64_t kMostQuantum = 1'000'000;
  static const config::Keys<RunOptions> kKeys =
      config::Keys<RunOptions>()
          .text("run.trace", &RunOptions::trace, "The trace (.mmt) to replay.")
          .flag("run.check", &RunOptions::check,
                "Compare every translation with the page table, and every TLB entry after every "
                "event. Slow.")
          .count("run.limit", &RunOptions::limit,
                 "Stop after this many instructions, an event counting as one; 0: replay all.")
          .count("run.warmup", &RunOptions::warmup,
                 "Leave this many instructions at the start out of the counts. What is in TLBs, "
                 "memory and page tables by then stays; sizes and "
                 "peaks are of the whole run.")
          .count(
              "run.interval", &RunOptions::interval,
              "Tell counters for every so many instructions too, in --json as intervals, and with "
              "--csv-intervals, a row each, at most 100,000; 0: of the whole only.")
          .flag("run.accept_torn", &RunOptions::accept_torn,
                "Replay a torn trace up to its last whole chunk instead of refusing it.")
          .number("sched.quantum", &RunOptions::quantum,
                  "Instructions after which a thread's turn ends if another thread has something "
                  "to do before the next event; 0: turns are as recorded.",
                  0, kMostQuantum)
          .choice("run.relocate", &RunOptions::relocate,
                  {{"auto", Relocate::Auto}, {"off", Relocate::Off}, {"force", Relocate::Force}},
                  "Move the trace's addresses to where this architecture places programs. auto: "
                  "if the trace was recorded on another architecture or with another page size.")
          .choice("run.stream", &RunOptions::stream,
                  {{"auto", StreamChoice::Auto},
                   {"full", StreamChoice::Full},
                   {"pages", StreamChoice::Pages}},
                  "Which of a trace's streams are replayed, with the same counters: all of its "
                  "references (full), or only those that can matter to a first-level TLB (pages), "
                  "which a trace may have beside them (trace prepare). auto: these where machine, "
                  "run and trace allow it and it is likely to pay. pages: an error where they do "
                  "not.");
  return kKeys;
}

void RunOptions::refuse(const config::Config& config, std::initializer_list<const char*> wanted,
                        const std::string& why) {
  for (const char* const name : wanted) {
    const config::Key* const key = config.schema().find(name);
    if (config.value_text(name) != key->default_value) throw UsageError(config.place_of(name), why);
  }
}

void RunOptions::refuse_looks(const config::Config& config, const std::string& why) {
  refuse(config, {"run.warmup", "run.interval"}, why);
}

void RunOptions::refuse_parts(const config::Config& config, const std::string& why) {
  refuse_looks(config, why);
  refuse(config, {"run.limit"}, why);
  if (from(config).stream == StreamChoice::Pages)
    throw UsageError(config.place_of("run.stream"), "every reference is needed for this");
}

RunOptions RunOptions::from(const config::Config& config) {
  return keys().read(config);
}

}  // namespace mmusim::sim
