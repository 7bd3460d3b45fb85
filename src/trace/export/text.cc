#include "trace/export/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <string>

#include "base/append_format.h"
#include "trace/event_text.h"
#include "trace/export/batch_walk.h"
#include "trace/export/buffered_file.h"
#include "trace/text_fields.h"

namespace mmusim::trace {
namespace {

constexpr const char* kHelp =
    R"(One line per instruction (f), data access (r, w, m) and event, behind a line that says what the
header of the trace says:

    trace isa=x86_64 page=4096 endian=little program="ls" recorder="" notes=""
    7 7 exec program="/bin/ls" ...
    7 7 f 0x401000 5
    7 7 r 0x7ffe0010 8

'mmusim trace import' makes the same trace of it again: nothing is left out. A line of the
shipped trace takes 26 bytes; -o /dev/stdout gives them to a pipe.
)";

constexpr size_t kLongestLine = 128;  // of an instruction or data access

// Lines on their way to the file.
class Lines {
 public:
  explicit Lines(const std::string& path) : file_(path) {}

  void thread(ThreadId thread) {
    prefix_ = fmt::format("{} {} ", thread.pid.value(), thread.tid.value());
  }
  void reference(char kind, uint64_t address, unsigned bytes) {
    char* at = std::copy(prefix_.begin(), prefix_.end(), file_.room(kLongestLine));
    *at++ = kind;
    *at++ = ' ';
    *at++ = '0';
    *at++ = 'x';
    at = std::to_chars(at, at + 16, address, 16).ptr;
    *at++ = ' ';
    at = std::to_chars(at, at + 10, bytes).ptr;
    *at++ = '\n';
    file_.put(at);
    ++count_;
  }
  void event(const Event& event) {
    fmt::memory_buffer line;
    append_format(line, "{}{}", prefix_, name_of(event));
    write_fields(line, event);
    write(line);
  }
  void header(const Header& header) {
    fmt::memory_buffer line;
    append_format(line, "trace");
    FieldWriter fields(line);
    fields.plain("isa", header.isa);
    fields.number("page", header.page.bytes());
    fields.plain("endian", header.big_endian ? "big" : "little");
    fields.text("program", header.program);
    fields.text("recorder", header.recorder);
    fields.text("notes", header.notes);
    write(line);
  }
  void finish() { file_.commit(); }
  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] uint64_t bytes() const { return file_.bytes_written(); }

 private:
  void write(fmt::memory_buffer& line) {
    line.push_back('\n');
    file_.write(line.data(), line.size());
    ++count_;
  }

  BufferedFile file_;
  std::string prefix_;
  uint64_t count_ = 0;
};

constexpr char letter_of(AccessKind kind) {
  constexpr std::array kLetters = {'f', 'r', 'w', 'm'};
  return kLetters[static_cast<size_t>(kind)];
}

ExportResult write_text(Reader& reader, const std::string& output, const ExportOptions& options,
                        const config::Config&) {
  Lines lines(output);
  lines.header(reader.header());
  ExportResult result;
  for_each_batch(reader, options, [&](const Batch& batch) {
    lines.thread(batch.thread);
    if (batch.event != nullptr) {
      lines.event(*batch.event);
      ++result.totals.events;
    } else {
      walk(
          batch,
          [&](uint64_t address, unsigned bytes) {
            lines.reference(letter_of(AccessKind::Fetch), address, bytes);
          },
          [&](AccessKind kind, uint64_t address, unsigned bytes) {
            lines.reference(letter_of(kind), address, bytes);
          });
      result.totals += batch.totals;
    }
  });
  lines.finish();
  result.output_records = lines.count();
  result.output_bytes = lines.bytes();
  return result;
}

}  // namespace

const Exporter kTextExporter = {
    .name = "text",
    .summary = "plain text, one line per instruction, data access and event",
    .unit = "lines",
    .help = kHelp,
    .declare = [](config::Schema&) {},
    .write = write_text,
};

}  // namespace mmusim::trace
