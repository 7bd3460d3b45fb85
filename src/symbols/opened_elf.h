// An ELF file, opened to be read a little of; inside symbols only. Reads, and does not map: a
// mapped file that somebody makes shorter ends who looks at it.
#ifndef MMUSIM_SYMBOLS_OPENED_ELF_H_
#define MMUSIM_SYMBOLS_OPENED_ELF_H_

#include <fcntl.h>
#include <gelf.h>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace mmusim::symbols {

class OpenedElf {
 public:
  // Without waiting for somebody to write to it, where it is a pipe.
  explicit OpenedElf(const std::string& path)
      : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat status {};
    if (file_ < 0 || fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) return;
    if (elf_version(EV_CURRENT) == EV_NONE) return;
    elf_.reset(elf_begin(file_, ELF_C_READ, nullptr));
    if (elf_ != nullptr && elf_kind(elf_.get()) != ELF_K_ELF) elf_.reset();
  }
  ~OpenedElf() {
    elf_.reset();
    if (file_ >= 0) close(file_);
  }
  OpenedElf(const OpenedElf&) = delete;
  OpenedElf& operator=(const OpenedElf&) = delete;

  // Null: it cannot be read, or is no ELF file.
  [[nodiscard]] Elf* elf() const { return elf_.get(); }
  [[nodiscard]] int file() const { return file_; }

 private:
  struct End {
    void operator()(Elf* elf) const { elf_end(elf); }
  };
  int file_;
  std::unique_ptr<Elf, End> elf_;
};

}  // namespace mmusim::symbols

#endif  // MMUSIM_SYMBOLS_OPENED_ELF_H_
