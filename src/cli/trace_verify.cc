// trace verify: whether a trace is whole and makes sense.
#include <fmt/format.h>

#include "base/interrupt.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "report/progress.h"
#include "report/wrap.h"
#include "trace/verify.h"

namespace mmusim::cli {

void trace_verify(const Words& words) {
  Arguments arguments("trace verify FILE [--accept-torn]",
                      "Reads a trace from end to end and checks checksums, index, counts and "
                      "whether its history\nmakes sense. What is odd but no damage is a remark.");
  arguments.positional("FILE", 1);
  arguments.options()("accept-torn", "Take a torn trace, up to its last whole chunk.")(
      "quiet,q", "No progress on stderr.");
  if (!arguments.parse(words)) return;

  const std::string& path = arguments.text("FILE");
  trace::ReaderOptions options;
  options.accept_torn = arguments.has("accept-torn");
  trace::VerifyReport report;
  {
    report::Progress progress(fmt::format("verifying {}", path), "bytes",
                              arguments.has("quiet") ? report::Progress::Style::None
                                                     : report::Progress::style_for_stderr());
    report = trace::verify(path, options, [&](uint64_t done, uint64_t total) {
      check_interrupt();
      progress.update(done, total, done);
    });
  }
  constexpr size_t kIndent = 4;
  for (const std::string& remark : report.remarks)
    print(report::beside("remark:", remark, kIndent));
  if (report.remark_count > report.remarks.size()) {
    print(fmt::format("... and {} more remarks\n",
                      format_count(report.remark_count - report.remarks.size())));
  }
  print(report::beside(
      fmt::format("{}:", path),
      fmt::format("{}: {} instructions, {} data accesses, {} events in {} chunks; hash {}",
                  report.info.torn ? "torn, and sound as far as it goes" : "sound",
                  format_count(report.info.totals.instructions),
                  format_count(report.info.totals.data_accesses()),
                  format_count(report.info.totals.events), format_count(report.info.chunks),
                  report.info.content_hash),
      kIndent));
}

}  // namespace mmusim::cli
