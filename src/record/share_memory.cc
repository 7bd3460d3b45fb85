#include "record/share_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <span>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

namespace mmusim::record {
namespace {

constexpr uint64_t kPage = 4096;

constexpr uint64_t whole_pages(uint64_t bytes) {
  return (bytes + kPage - 1) & ~(kPage - 1);
}

[[noreturn]] void refused(const char* what) {
  throw Error("", fmt::format("no memory to share with QEMU: {}: {}", what, std::strerror(errno)));
}

void copy_text(char* into, size_t bytes, const std::string& text) {
  if (text.size() >= bytes) throw Error(text, "the path is too long");
  std::memcpy(into, text.c_str(), text.size() + 1);
}

}  // namespace

ShareMemory::ShareMemory(uint32_t rings) {
  const uint64_t heads_at = whole_pages(sizeof(Share));
  const uint64_t words_at = whole_pages(heads_at + rings * sizeof(RingHead));
  const uint64_t bytes = words_at + rings * kRingWords * sizeof(uint64_t);
  file_ = memfd_create("mmusim-record", MFD_CLOEXEC);
  if (file_ < 0) refused("memfd_create");
  if (ftruncate(file_, static_cast<off_t>(bytes)) != 0) refused("ftruncate");
  void* const at =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file_, 0);
  if (at == MAP_FAILED) refused("mmap");
  share_ = new (at) Share();
  share_->rings = rings;
  share_->heads_offset = heads_at;
  share_->words_offset = words_at;
  share_->bytes = bytes;
  for (uint32_t ring = 0; ring < rings; ++ring)
    new (static_cast<char*>(at) + heads_at + ring * sizeof(RingHead)) RingHead();
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&share_->alive, &attributes);
  pthread_mutexattr_destroy(&attributes);
  held_ = pthread_mutex_lock(&share_->alive) == 0;
  copy_text(share_->memory_path, sizeof share_->memory_path,
            fmt::format("/proc/{}/fd/{}", getpid(), file_));
}

ShareMemory::~ShareMemory() {
  if (share_ != nullptr) {
    stop();
    if (held_) pthread_mutex_unlock(&share_->alive);
    munmap(share_, share_->bytes);
  }
  if (file_ >= 0) close(file_);
}

void ShareMemory::set_texts(const std::string& plugin, const std::string& qemu_folder,
                            const std::vector<std::string>& qemu_arguments) {
  copy_text(share_->plugin_path, sizeof share_->plugin_path, plugin);
  copy_text(share_->qemu_folder, sizeof share_->qemu_folder, qemu_folder);
  size_t at = 0;
  for (const std::string& argument : qemu_arguments) {
    if (at + argument.size() + 2 > kTextBytes) throw Error("", "too many arguments for QEMU");
    std::memcpy(share_->qemu_arguments + at, argument.c_str(), argument.size() + 1);
    at += argument.size() + 1;
  }
  share_->qemu_arguments[at] = 0;
}

void ShareMemory::stop(bool programs) {
  share_->stop.fetch_or(kStopRecording | (programs ? kStopPrograms : 0u));
}

bool ShareMemory::full() const {
  const std::span heads(heads_of(*share_), share_->rings);
  return std::none_of(heads.begin(), heads.end(), [](const RingHead& head) {
    return state_of(head.state.load(std::memory_order_relaxed)) == RingState::Free;
  });
}

}  // namespace mmusim::record
