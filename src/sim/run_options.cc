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
                 "Stop after about this many instructions, an event counting as one (at the end "
                 "of a batch); 0: replay all.")
          .count("run.warmup", &RunOptions::warmup,
                 "Leave about this many instructions at the start out of the counts (up to the end "
                 "of a batch). What is in TLBs, memory and page tables by then stays; sizes and "
                 "peaks are of the whole run.")
          .count("run.interval", &RunOptions::interval,
                 "Tell counters for about every so many instructions too (to the end of a batch), "
                 "in --json as intervals, and in --csv, a row each; 0: of the whole only.")
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
                  "run and trace allow it. pages: an error where they do not.");
  return kKeys;
}

void RunOptions::refuse_looks(const config::Config& config, const std::string& why) {
  for (const char* const key : {"run.warmup", "run.interval"})
    if (config.count(key) != 0) throw UsageError(config.place_of(key), why);
}

RunOptions RunOptions::from(const config::Config& config) {
  return keys().read(config);
}

}  // namespace mmusim::sim
