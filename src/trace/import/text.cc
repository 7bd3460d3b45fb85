#include "trace/import/text.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/bits.h"
#include "base/error.h"
#include "config/keys.h"
#include "trace/event_text.h"
#include "trace/format.h"
#include "trace/import/line_reader.h"
#include "trace/import/reference_stream.h"
#include "trace/import/words.h"
#include "trace/text_fields.h"

namespace mmusim::trace {
namespace {

constexpr const char* kTextRecord =
    R"(To make one, write a line per record, by hand, from a script, or with 'mmusim trace export':

    trace isa=x86_64 program="mine"
    7 7 exec program="mine"
    7 7 mmap length=65536 prot=rw- result=0x10000000
    7 7 f 0x401000 4
    7 7 w 0x10000008 8
    7 7 exit
)";

constexpr const char* kTextHelp =
    R"(A line is: process, thread, what, and what that needs, separated by blanks or tabs. Empty lines
and those that begin with # mean nothing.

    PID TID f ADDRESS BYTES   an instruction of 1 to 32 bytes is fetched
    PID TID r ADDRESS BYTES   ... and reads
    PID TID w ADDRESS BYTES   ... and writes
    PID TID m ADDRESS BYTES   ... and reads and writes as one atomic access
    PID TID EVENT NAME=VALUE...   a system call, a fork, an exit

Addresses are hexadecimal, with 0x. Other numbers are decimal, or hexadecimal with 0x. Rights are
rwx, with - for what is not there. Texts are in double quotes, with \", \\, \n, \t and \xNN. Events,
with what they need, and what they have otherwise:

    exec program= [brk=0 stack_top=0 arguments=["..." "..."]
         image=[0xBEGIN-0xEND rwx flags=0x2 offset=0 "NAME"; ...]]
    mmap length= result= [hint=0 prot=rw- flags=0x22 fd=-1 offset=0 file=""]
    munmap start= length= [result=0]
    mprotect start= length= prot= [result=0]
    mremap old_start= old_length= new_length= result= [flags=1 new_hint=0]
    brk result= [requested=0]
    madvise start= length= advice= [result=0]
    fork child=PID/TID [clone_flags=0x11 shares_memory=no]
    exit [status=0 whole_process=yes]
    wait child=PID [status=0]
    switch cpu=
    marker text=
    truncate length= [fd=0 result=0 file=""]
    fallocate length= [fd=0 mode=0 offset=0 result=0 file=""]
    msync start= length= [flags=0 result=0]
    mlock what=lock|unlock|lock-all|unlock-all
         [start=0 length=0 flags=0 result=0]
    thp disable= [flags=0 result=0]
    process_madvise target=PID start= length= advice= [result=0]
    other name= [result=0]

Flags, advice and results are Linux's numbers (asm-generic ones); a result below zero is an error.
Processes may begin with anything: what nobody mapped is implied by a replay as it is touched.

The first line may say what the header of the trace says, any part of it:

    trace isa=x86_64 page=4096 endian=little program="" recorder="" notes=""

A data access belongs to the instruction before it. Without one, the thread's last instruction is
executed again, or one of --text.code_bytes bytes at --text.code; both are counted and shown.
Accesses of more than 4096 bytes (up to 16 MiB) are split. A file may be compressed.
)";

struct TextOptions {
  std::string isa = "x86_64";
  uint64_t code = 0x400000;
  unsigned code_bytes = 4;
  static const config::Keys<TextOptions>& keys() {
    static const auto kKeys =
        config::Keys<TextOptions>()
            .text("text.isa", &TextOptions::isa, "The ISA of a file that does not say it.")
            .number("text.code", &TextOptions::code,
                    "Where the instruction lies that is assumed for a data access without any.")
            .number("text.code_bytes", &TextOptions::code_bytes, "How long it is.", 1,
                    kMaxInstructionBytes);
    return kKeys;
  }
};

// An event's texts may be escaped byte by byte.
constexpr size_t kMaxTextLine = 4 * kMaxEventBytes + LineBuffer::kMaxLine;

bool is_text_kind(std::string_view word) {
  return word == "f" || word == "r" || word == "w" || word == "m" || event_named(word).has_value();
}

// What a line that begins with "trace" says.
std::string read_header(std::string_view fields, Header& header) {
  FieldReader reader(fields);
  uint64_t page = header.page.bytes();
  std::string endian = header.big_endian ? "big" : "little";
  reader.plain("isa", header.isa);
  reader.number("page", page);
  reader.plain("endian", endian);
  reader.text("program", header.program);
  reader.text("recorder", header.recorder);
  reader.text("notes", header.notes);
  if (std::string problem = reader.problem(); !problem.empty()) return problem;
  if (!is_power_of_two(page)) return fmt::format("page={}: not a power of two", page);
  if (endian != "little" && endian != "big") return "endian= is little or big";
  header.page = PageShift(static_cast<unsigned>(std::countr_zero(page)));
  header.big_endian = endian == "big";
  return "";
}

// A number at `at`, up to a blank or the end of the line. REQUIRES: what follows the line can be
// read, and does not matter.
template <bool kHex>
bool take_number(const char*& at, const char* end, uint64_t& value) {
  if (kHex) {
    if (end - at < 3 || at[0] != '0' || at[1] != 'x') return false;
    at += 2;
  }
  const auto [stop, error] = std::from_chars(at, end, value, kHex ? 16 : 10);
  if (error != std::errc() || (stop != end && *stop != ' ' && *stop != '\t')) return false;
  at = stop;
  return true;
}

void skip_blanks(const char*& at, const char* end) {
  while (at != end && (*at == ' ' || *at == '\t'))
    ++at;
}

class TextImport {
 public:
  TextImport(const std::string& path, const std::string& output, const WriterOptions& writer,
             const ImportOptions& options, const TextOptions& chosen)
      : lines_(path, options, result_, kMaxTextLine),
        header_(first_header(chosen.isa)),
        writer_(output, header_, writer),
        stream_(writer_, chosen.code, chosen.code_bytes) {}

  ImportResult run() {
    while (have_line_ || lines_.next(line_)) {
      have_line_ = false;
      if (!reference()) other_line();
    }
    if (result_.input_records == 0) throw Error(lines_.path(), "is empty");
    finish_import(writer_, result_, lines_.path(), "text", true);
    stream_.add_remarks(result_.remarks);
    return std::move(result_);
  }

 private:
  // The first line that means something, if it is a header; else it is kept.
  Header first_header(const std::string& isa) {
    Header header;
    header.isa = isa;
    header.recorder = "plain text";
    while (lines_.next(line_)) {
      std::string_view rest = line_;
      const std::string_view word = next_word(rest);
      if (word.empty() || word.starts_with('#')) continue;
      have_line_ = word != "trace";
      if (!have_line_) refuse_if(read_header(rest, header));
      break;
    }
    return header;
  }

  void refuse_if(const std::string& problem) {
    if (!problem.empty()) lines_.refuse(problem, "see 'mmusim trace import --help-format text'");
  }

  // The common lines, as fast as it can be. False: it is another.
  bool reference() {
    const char* at = line_.data();
    const char* const end = at + line_.size();
    uint64_t pid = 0;
    uint64_t tid = 0;
    uint64_t address = 0;
    uint64_t bytes = 0;
    if (!take_number<false>(at, end, pid)) return false;
    skip_blanks(at, end);
    if (!take_number<false>(at, end, tid)) return false;
    skip_blanks(at, end);
    if (end - at < 2 || (at[1] != ' ' && at[1] != '\t')) return false;
    const char kind = *at++;
    skip_blanks(at, end);
    if (!take_number<true>(at, end, address)) return false;
    skip_blanks(at, end);
    if (!take_number<false>(at, end, bytes)) return false;
    skip_blanks(at, end);
    if (at != end || pid > kMostId || tid > kMostId) return false;
    stream_.thread({Pid(static_cast<uint32_t>(pid)), Tid(static_cast<uint32_t>(tid))});
    const char* problem = nullptr;
    switch (kind) {
      case 'f':
        problem = stream_.instruction(address, bytes);
        break;
      case 'r':
        problem = stream_.access(AccessKind::Load, address, bytes);
        break;
      case 'w':
        problem = stream_.access(AccessKind::Store, address, bytes);
        break;
      case 'm':
        problem = stream_.access(AccessKind::Modify, address, bytes);
        break;
      default:
        return false;
    }
    if (problem != nullptr) refuse_if(problem);
    return true;
  }

  void other_line() {
    std::string_view rest = line_;
    const std::string_view first = next_word(rest);
    if (first.empty() || first.starts_with('#')) return;
    if (first == "trace") return refuse_if("a line 'trace' comes first, and once");
    const auto pid = parse_number(first);
    const auto tid = parse_number(next_word(rest));
    if (!pid || !tid || *pid > kMostId || *tid > kMostId)
      return refuse_if("a line begins with the numbers of a process and a thread");
    const std::string_view kind = next_word(rest);
    if (kind.size() == 1 && is_text_kind(kind)) return odd_reference(*pid, *tid, kind, rest);
    std::optional<Event> event = event_named(kind);
    if (!event) return refuse_if(fmt::format("'{}' is no kind of record", kind.substr(0, 100)));
    const std::string problem = read_fields(rest, *event);
    if (!problem.empty()) return refuse_if(problem);
    stream_.thread({Pid(static_cast<uint32_t>(*pid)), Tid(static_cast<uint32_t>(*tid))});
    stream_.event(*event);
  }

  // What reference() did not take: numbers in the other notation, or an error.
  void odd_reference(uint64_t pid, uint64_t tid, std::string_view kind, std::string_view rest) {
    const std::string_view where = next_word(rest);
    const auto address = where.starts_with("0x") ? parse_number(where) : std::nullopt;
    if (!address)
      return refuse_if(fmt::format("'{}' is no address (as 0x401000)", where.substr(0, 100)));
    const std::string_view size = next_word(rest);
    const auto bytes = parse_number(size);
    if (!bytes) return refuse_if(fmt::format("'{}' is no number of bytes", size.substr(0, 100)));
    const std::string_view more = next_word(rest);
    if (!more.empty() && !more.starts_with('#'))
      return refuse_if(fmt::format("'{}' is too much", more.substr(0, 100)));
    stream_.thread({Pid(static_cast<uint32_t>(pid)), Tid(static_cast<uint32_t>(tid))});
    const AccessKind access = kind == "r"   ? AccessKind::Load
                              : kind == "w" ? AccessKind::Store
                                            : AccessKind::Modify;
    const char* problem = kind == "f" ? stream_.instruction(*address, *bytes)
                                      : stream_.access(access, *address, *bytes);
    if (problem != nullptr) refuse_if(problem);
  }

  static constexpr uint64_t kMostId = std::numeric_limits<uint32_t>::max();

  ImportResult result_;
  std::string_view line_;
  bool have_line_ = false;
  LineReader lines_;
  Header header_;
  Writer writer_;
  ReferenceStream stream_;
};

ImportResult import_text(std::span<const std::string> paths, const std::string& output,
                         const WriterOptions& writer, const ImportOptions& options,
                         const config::Config& keys) {
  return TextImport(single_input(paths, "text"), output, writer, options,
                    TextOptions::keys().read(keys))
      .run();
}

}  // namespace

// The first line that means something is a header, or a record with a kind there is.
bool begins_plain_text(std::string_view lines) {
  while (!lines.empty()) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    std::string_view rest = line;
    const std::string_view first = next_word(rest);
    if (first.empty() || first.starts_with('#')) continue;
    if (first == "trace") return rest.find('=') != std::string_view::npos || rest.empty();
    return parse_number(first) && parse_number(next_word(rest)) && is_text_kind(next_word(rest));
  }
  return false;
}

const Importer kTextImporter = {
    .name = "text",
    .summary = "plain text, one line per instruction, data access and event",
    .unit = "lines",
    .record = kTextRecord,
    .help = kTextHelp,
    .recognises = [](const std::string& path) { return begins_plain_text(first_lines(path)); },
    .declare = [](config::Schema& schema) { TextOptions::keys().declare(schema); },
    .import = import_text,
};

}  // namespace mmusim::trace
