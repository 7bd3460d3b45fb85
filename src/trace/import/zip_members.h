// The members of a zip archive, one after the other as one run of bytes, in the order in which they
// lie in the file. Directories among them are nothing. The archive is the whole file: bytes before
// or behind it are an error, found at the end.
//
// Streams, by libarchive: holds one member's decompressor (about 0.4 MB). Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_ZIP_MEMBERS_H_
#define MMUSIM_TRACE_IMPORT_ZIP_MEMBERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace mmusim::trace {

// Where the archive's bytes come from. What its functions throw comes out of ZipMembers.
class StoredBytes {
 public:
  virtual ~StoredBytes() = default;
  virtual size_t read_some(char* to, size_t bytes) = 0;  // 0: the end
  [[nodiscard]] virtual bool can_seek() const = 0;
  virtual uint64_t size() = 0;            // REQUIRES: can_seek()
  virtual void seek(uint64_t place) = 0;  // REQUIRES: can_seek()
  [[nodiscard]] virtual uint64_t place() const = 0;
};

class ZipMembers {
 public:
  // `stored` stands at the archive's first byte, and outlives this.
  explicit ZipMembers(StoredBytes& stored);
  ~ZipMembers();
  ZipMembers(const ZipMembers&) = delete;
  ZipMembers& operator=(const ZipMembers&) = delete;

  // Up to `bytes` bytes; 0 only at the end. Errors: Problem.
  size_t read(char* to, size_t bytes);

  struct Problem {
    std::string what;
    uint64_t offset;  // in the file as stored
  };

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether a file that begins so is a zip archive.
bool is_zip(std::string_view start);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_ZIP_MEMBERS_H_
