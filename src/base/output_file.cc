#include "base/output_file.h"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"

namespace mmusim {

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  struct stat existing {};
  const bool direct = stat(path_.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode);
  if (!direct) temporary_ = fmt::format("{}.tmp.{}", path_, getpid());
  file_ = direct ? std::fopen(path_.c_str(), "wb") : std::fopen(temporary_.c_str(), "wbx");
  if (file_ == nullptr) throw Error(path_, fmt::format("cannot create: {}", std::strerror(errno)));
}

OutputFile::~OutputFile() {
  discard();
}

void OutputFile::discard() noexcept {
  if (file_ == nullptr) return;
  std::fclose(file_);
  if (!temporary_.empty()) std::remove(temporary_.c_str());
  file_ = nullptr;
}

void OutputFile::write(const void* data, size_t bytes) {
  MMUSIM_ASSERT(file_ != nullptr);
  if (bytes != 0 && std::fwrite(data, 1, bytes, file_) != bytes) {
    throw Error(path_, fmt::format("cannot write: {}", std::strerror(errno)), "nothing was kept");
  }
  bytes_ += bytes;
}

void OutputFile::commit() {
  MMUSIM_ASSERT(file_ != nullptr);
  const bool flushed = std::fflush(file_) == 0 && (temporary_.empty() || fsync(fileno(file_)) == 0);
  const int error = errno;
  if (!flushed)
    throw Error(path_, fmt::format("cannot write: {}", std::strerror(error)), "nothing was kept");
  if (!temporary_.empty() && std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    throw Error(path_, fmt::format("cannot rename into place: {}", std::strerror(errno)));
  }
  std::fclose(file_);
  file_ = nullptr;
}

}  // namespace mmusim
