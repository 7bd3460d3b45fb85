// B-tree: inserts random keys until the nodes hold SIZE bytes, then looks up keys and reads short
// ranges from some on.
#include "common.h"

enum { kKeys = 30, kNodeBytes = 512, kScan = 20 };

struct node {
  uint32_t count;  // of keys
  uint32_t leaf;
  uint64_t keys[kKeys];
  struct node* children[kKeys + 1];
};

static struct node* root;
static uint64_t nodes;

static struct node* new_node(uint32_t leaf) {
  struct node* const node = allocate(sizeof(struct node));
  node->count = 0;
  node->leaf = leaf;
  ++nodes;
  return node;
}

// The first key of the node that is not below `key`.
static uint32_t place(const struct node* node, uint64_t key) {
  uint32_t low = 0, high = node->count;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (node->keys[middle] < key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Makes room behind key `at` - 1 for a key and the child right of it.
static void insert_at(struct node* node, uint32_t at, uint64_t key, struct node* right) {
  memmove(&node->keys[at + 1], &node->keys[at], (node->count - at) * sizeof(node->keys[0]));
  if (!node->leaf) {
    memmove(&node->children[at + 2], &node->children[at + 1],
            (node->count - at) * sizeof(node->children[0]));
    node->children[at + 1] = right;
  }
  node->keys[at] = key;
  ++node->count;
}

// The full child `at` becomes two, with its middle key between them.
static void split(struct node* parent, uint32_t at) {
  struct node* const left = parent->children[at];
  struct node* const right = new_node(left->leaf);
  const uint32_t middle = kKeys / 2;
  right->count = kKeys - middle - 1;
  memcpy(right->keys, &left->keys[middle + 1], right->count * sizeof(left->keys[0]));
  if (!left->leaf)
    memcpy(right->children, &left->children[middle + 1],
           (right->count + 1) * sizeof(left->children[0]));
  left->count = middle;
  insert_at(parent, at, left->keys[middle], right);
}

static void insert(uint64_t key) {
  if (root->count == kKeys) {
    struct node* const above = new_node(0);
    above->children[0] = root;
    root = above;
    split(above, 0);
  }
  struct node* node = root;
  while (!node->leaf) {
    uint32_t at = place(node, key);
    if (node->children[at]->count == kKeys) {
      split(node, at);
      at += node->keys[at] < key;
    }
    node = node->children[at];
  }
  insert_at(node, place(node, key), key, NULL);
}

// Adds up to `most` keys from `key` on, in order; returns how many.
static uint32_t scan(const struct node* node, uint64_t key, uint32_t most, uint64_t* checksum) {
  uint32_t found = 0;
  for (uint32_t at = place(node, key); found < most; ++at) {
    if (!node->leaf) found += scan(node->children[at], key, most - found, checksum);
    if (at == node->count) break;
    if (found < most) {
      *checksum = added(*checksum, node->keys[at]);
      ++found;
    }
  }
  return found;
}

int main(int argc, char** argv) {
  struct arguments a = arguments(argc, argv, 4 << 20, 20000);
  const uint64_t most = elements(a.size, kNodeBytes, 1);
  root = new_node(1);
  uint64_t keys = 0;
  for (; nodes < most; ++keys)
    insert(random64(&a.seed));
  uint64_t checksum = 0;
  uint64_t found = 0;
  for (uint64_t i = 0; i < a.work; ++i)
    found += scan(root, random64(&a.seed), i % 8 == 0 ? kScan : 1, &checksum);
  return done(added(added(checksum, found), keys));
}
