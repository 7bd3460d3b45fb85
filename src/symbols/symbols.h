// The functions of the files a trace has mapped: which file stands for each, what it has no names
// for and why.
#ifndef MMUSIM_SYMBOLS_SYMBOLS_H_
#define MMUSIM_SYMBOLS_SYMBOLS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "symbols/elf_file.h"

namespace mmusim::symbols {

class Symbols {
 public:
  // `given`: files, each for the mapped one of the same name, and folders below which mapped ones
  // are, by their path or by name alone. `isa`: as the trace's header has it. `trace`: its file.
  // Errors: UsageError for a given path that is not there, or a given file that is no whole ELF
  // file or for another machine.
  Symbols(const std::vector<std::string>& given, const std::string& isa, const std::string& trace);

  // What of a file was mapped as code: whole pages, in bytes.
  struct Mapped {
    std::string path;
    uint64_t begin = 0;
    uint64_t end = 0;
    PageShift page;
    std::string identity = {};  // as identity.h has it; "": not known
    bool replaced = false;      // the recording had more than one file at that path
  };
  // The function at an offset of it; nothing: not known.
  [[nodiscard]] std::optional<std::string> function_at(const Mapped& mapped, uint64_t offset);

  struct Remark {
    std::string text;
    bool other = false;  // there is a file, and it is not the recorded one, or may not be
  };
  // What is to be said of the files asked for: why one has no names, what makes those of another
  // doubtful. In the files' order.
  [[nodiscard]] std::vector<Remark> remarks() const;

 private:
  struct Found {
    std::unique_ptr<ElfFile> elf;  // null: none
    std::string at;                // where
    std::string remark;            // ""
    bool other = false;            // as Remark has it
    bool by_path_alone = false;    // whether it is the recorded one is not known
  };
  Found& file_of(const Mapped& mapped);
  [[nodiscard]] Found find(const Mapped& mapped) const;
  // Whether it is for the trace's architecture.
  [[nodiscard]] bool fits(const ElfFile& elf) const;
  // Why what is at `place` is not the recorded file; "": it is, as far as can be known.
  [[nodiscard]] std::string other_than(const Mapped& recorded, const std::string& place,
                                       const ElfFile& elf) const;

  std::vector<std::string> given_;
  std::string isa_;
  std::string trace_;
  std::map<std::string, Found> files_;
};

}  // namespace mmusim::symbols

#endif  // MMUSIM_SYMBOLS_SYMBOLS_H_
