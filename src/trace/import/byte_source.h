// The bytes of one file, decompressed on the way if it is compressed with zstd, xz or gzip (told by
// its first bytes, never by its name).
//
// Streams: holds one input buffer and the decompressor's state, whatever the file's length. Files
// of several compressed members one after the other read as one. The descriptor of a regular file
// can be given up between reads, so that thousands of sources can be kept without as many open
// files. Errors: Error naming the path and the byte offset in the file as stored. Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_BYTE_SOURCE_H_
#define MMUSIM_TRACE_IMPORT_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mmusim::trace {

// What a compressed format needs to be read; one class per format in byte_source.cc.
class Decompressor {
 public:
  virtual ~Decompressor() = default;
  struct Step {
    size_t consumed = 0;
    size_t produced = 0;
    bool at_member_end = false;  // everything given so far is complete
    const char* error = nullptr;
  };
  virtual Step step(const char* in, size_t in_bytes, bool at_end, char* out, size_t out_bytes) = 0;
};

class ByteSource {
 public:
  explicit ByteSource(std::string path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Up to `bytes` bytes; 0 only at the end.
  size_t read(char* to, size_t bytes);

  // Closes the descriptor if the file can be opened again at the same place; read() does so by
  // itself.
  void release();
  [[nodiscard]] bool seekable() const { return seekable_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uint64_t stored_bytes_read() const { return offset_; }
  [[nodiscard]] bool compressed() const { return decompressor_ != nullptr; }

 private:
  void open();
  size_t read_stored(char* to, size_t bytes);
  void fill();
  [[noreturn]] void fail(uint64_t offset, const std::string& what) const;

  std::string path_;
  int fd_ = -1;
  bool seekable_ = false;
  uint64_t offset_ = 0;  // of the next byte to read from the file
  bool end_of_file_ = false;
  std::vector<char> input_;  // stored bytes [input_begin_, input_end_) not yet used
  size_t input_begin_ = 0;
  size_t input_end_ = 0;
  bool at_member_end_ = true;
  std::unique_ptr<Decompressor> decompressor_;  // null: plain
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_BYTE_SOURCE_H_
