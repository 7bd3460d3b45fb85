// trace: the commands about trace files.
#include "cli/command.h"

namespace mmusim::cli {
namespace {

constexpr Command kTraceCommands[] = {
    {"info", "What a trace is, in numbers", trace_info},
    {"dump", "Its records, as text", trace_dump},
    {"verify", "Read it all and check everything", trace_verify},
    {"stats", "How pages are reused, and what TLBs of any size would miss", trace_stats},
    {"cut", "A part of it, as a trace of its own", trace_cut},
    {"merge", "Several traces side by side in one", trace_merge},
    {"prepare", "Add what makes its replays faster", trace_prepare},
    {"import", "Make a trace from another recorder's logs", trace_import},
    {"export", "Write it in another tool's format", trace_export},
};

}  // namespace

std::span<const Command> trace_commands() {
  return kTraceCommands;
}

}  // namespace mmusim::cli
