/*
 * vocabulary.c
 *    A hash table with linear probing over texts that are kept in chunks.
 *
 * Invariants: slot_count is a power of two and at most three quarters of the slots are in use; a
 * slot holds code + 1 and the upper half of the hash, so that a probe reads a text only
 * when the hashes agree.  Entries live in segments of doubling size and never
 * move.  The arena takes back nothing, so outgrown tables cost as much again as the
 * last one.
 *
 * Flat, the same slots stand behind a header, then where each text begins and the last one ends, then the texts.
 */
#include "data/vocabulary.h"

#include <string.h>

#include "core/random.h"
#include "core/size.h"

#define FIRST_SLOTS 16
#define FIRST_SEGMENT 16		/* entries; each further segment has as many as all before it */
#define SEGMENTS 28
#define FIRST_TEXT ((size_t) 192)
#define LARGEST_TEXT ((size_t) 1 << 16)

typedef struct Slot
{
	uint32_t	hash;			/* upper half */
	uint32_t	code_plus_1;	/* 0: empty */
} Slot;

typedef struct Entry
{
	const char *text;
	uint64_t	hash;
	size_t		length;
} Entry;

typedef struct FlatHeader
{
	uint64_t	size;
	uint64_t	slot_count;
	uint64_t	offsets;		/* of the parts, from the header on */
	uint64_t	texts;
} FlatHeader;

struct DlVocabulary
{
	DlArena    *arena;
	Slot	   *slots;
	size_t		slot_count;
	Entry	   *segments[SEGMENTS];	/* unless it is flat: */
	const uint64_t *offsets;
	const char *texts;
	int32_t		size;
	char	   *text;			/* where the next text goes */
	size_t		text_left;
	size_t		text_chunk;		/* size of the next chunk */
};

static uint64_t
hash_text(const char *text, size_t length)
{
	return dl_hash_bytes(0, text, length);
}

/* Segment 0 holds codes below FIRST_SEGMENT, segment s those below FIRST_SEGMENT << s. */
static int
segment_of(int32_t code, int32_t *within)
{
	int			segment;

	if (code < FIRST_SEGMENT)
	{
		*within = code;
		return 0;
	}
	segment = 1;
	while (code >= (int64_t) FIRST_SEGMENT << segment)
		segment++;
	*within = code - (FIRST_SEGMENT << (segment - 1));
	return segment;
}

static Entry *
entry_at(const DlVocabulary *vocabulary, int32_t code)
{
	int32_t		within;
	int			segment = segment_of(code, &within);

	return &vocabulary->segments[segment][within];
}

static inline const char *
text_at(const DlVocabulary *vocabulary, int32_t code, size_t *length)
{
	const Entry *entry;

	if (vocabulary->texts != NULL)
	{
		*length = (size_t) (vocabulary->offsets[code + 1] - vocabulary->offsets[code]);
		return vocabulary->texts + vocabulary->offsets[code];
	}
	entry = entry_at(vocabulary, code);
	*length = entry->length;
	return entry->text;
}

DlStatus
dl_vocabulary_create(DlArena *arena, DlVocabulary **result, DlError *error)
{
	DlVocabulary *vocabulary;

	*result = NULL;
	DL_TRY(dl_arena_calloc(arena, 1, sizeof(*vocabulary), &vocabulary, error));
	vocabulary->arena = arena;
	vocabulary->slot_count = FIRST_SLOTS;
	vocabulary->text_chunk = FIRST_TEXT;
	DL_TRY(dl_arena_calloc(arena, FIRST_SLOTS, sizeof(Slot), &vocabulary->slots, error));
	*result = vocabulary;
	return DL_OK;
}

/* The slot of the text, or the empty slot where it belongs. */
static Slot *
find_slot(const DlVocabulary *vocabulary, const char *text, size_t length, uint64_t hash)
{
	size_t		mask = vocabulary->slot_count - 1;
	size_t		at = (size_t) hash & mask;

	for (;;)
	{
		Slot	   *slot = &vocabulary->slots[at];

		if (slot->code_plus_1 == 0)
			return slot;
		if (slot->hash == (uint32_t) (hash >> 32))
		{
			size_t		known_length;
			const char *known = text_at(vocabulary, (int32_t) (slot->code_plus_1 - 1), &known_length);

			if (known_length == length && (length == 0 || memcmp(known, text, length) == 0))
				return slot;
		}
		at = (at + 1) & mask;
	}
}

static DlStatus
grow_slots(DlVocabulary *vocabulary, DlError *error)
{
	size_t		count;
	size_t		mask;
	Slot	   *slots;

	if (!dl_size_mul(vocabulary->slot_count, 2, &count))
		return dl_error_set(error, DL_ERROR_LIMIT, "vocabulary is too large");
	DL_TRY(dl_arena_calloc(vocabulary->arena, count, sizeof(Slot), &slots, error));
	mask = count - 1;
	for (int32_t code = 0; code < vocabulary->size; code++)
	{
		uint64_t	hash = entry_at(vocabulary, code)->hash;
		size_t		at = (size_t) hash & mask;

		while (slots[at].code_plus_1 != 0)
			at = (at + 1) & mask;
		slots[at].hash = (uint32_t) (hash >> 32);
		slots[at].code_plus_1 = (uint32_t) code + 1;
	}
	vocabulary->slots = slots;
	vocabulary->slot_count = count;
	return DL_OK;
}

static DlStatus
store_text(DlVocabulary *vocabulary, const char *text, size_t length, const char **result, DlError *error)
{
	char	   *copy;

	if (length > vocabulary->text_left)
	{
		if (length > vocabulary->text_chunk / 4)
		{
			DL_TRY(dl_arena_alloc(vocabulary->arena, length, &copy, error));
			memcpy(copy, text, length);
			*result = copy;
			return DL_OK;
		}
		DL_TRY(dl_arena_alloc(vocabulary->arena, vocabulary->text_chunk, &vocabulary->text, error));
		vocabulary->text_left = vocabulary->text_chunk;
		if (vocabulary->text_chunk < LARGEST_TEXT)
			vocabulary->text_chunk *= 2;
	}
	copy = vocabulary->text;
	if (length > 0)
		memcpy(copy, text, length);
	*result = copy != NULL ? copy : "";
	vocabulary->text += length;
	vocabulary->text_left -= length;
	return DL_OK;
}

DlStatus
dl_vocabulary_add(DlVocabulary *vocabulary, const char *text, size_t length, int32_t *code, DlError *error)
{
	uint64_t	hash = hash_text(text, length);
	Slot	   *slot = find_slot(vocabulary, text, length, hash);
	int32_t		within;
	int			segment;
	Entry	   *entry;

	if (slot->code_plus_1 != 0)
	{
		*code = (int32_t) (slot->code_plus_1 - 1);
		return DL_OK;
	}
	if (vocabulary->texts != NULL)
		return dl_error_set(error, DL_ERROR_INTERNAL, "a vocabulary that is only read cannot take a text");
	if (vocabulary->size == INT32_MAX - 1)
		return dl_error_set(error, DL_ERROR_LIMIT, "vocabulary has %d values, the most that are possible",
							vocabulary->size);
	if ((size_t) vocabulary->size >= vocabulary->slot_count / 4 * 3)
	{
		DL_TRY(grow_slots(vocabulary, error));
		slot = find_slot(vocabulary, text, length, hash);
	}

	segment = segment_of(vocabulary->size, &within);
	if (vocabulary->segments[segment] == NULL)
	{
		size_t		entries = segment == 0 ? FIRST_SEGMENT : (size_t) FIRST_SEGMENT << (segment - 1);

		DL_TRY(dl_arena_calloc(vocabulary->arena, entries, sizeof(Entry), &vocabulary->segments[segment], error));
	}
	entry = &vocabulary->segments[segment][within];
	DL_TRY(store_text(vocabulary, text, length, &entry->text, error));
	entry->hash = hash;
	entry->length = length;
	*code = vocabulary->size++;
	slot->hash = (uint32_t) (hash >> 32);
	slot->code_plus_1 = (uint32_t) *code + 1;
	return DL_OK;
}

int32_t
dl_vocabulary_find(const DlVocabulary *vocabulary, const char *text, size_t length)
{
	const Slot *slot = find_slot(vocabulary, text, length, hash_text(text, length));

	return slot->code_plus_1 == 0 ? -1 : (int32_t) (slot->code_plus_1 - 1);
}

int32_t
dl_vocabulary_size(const DlVocabulary *vocabulary)
{
	return vocabulary->size;
}

const char *
dl_vocabulary_text(const DlVocabulary *vocabulary, int32_t code, size_t *length)
{
	return text_at(vocabulary, code, length);
}

/* Where the parts are, and the end of the last; false when sizes wrap. */
static bool
lay_out(const DlVocabulary *vocabulary, FlatHeader *header, size_t *end)
{
	size_t		bytes;
	size_t		texts = 0;

	for (int32_t code = 0; code < vocabulary->size; code++)
	{
		size_t		length;

		(void) text_at(vocabulary, code, &length);
		if (!dl_size_add(texts, length, &texts))
			return false;
	}
	header->size = (uint64_t) vocabulary->size;
	header->slot_count = vocabulary->slot_count;
	if (!dl_size_mul(vocabulary->slot_count, sizeof(Slot), &bytes) || !dl_size_add(bytes, sizeof(FlatHeader), &bytes))
		return false;
	header->offsets = bytes;
	if (!dl_size_add(bytes, ((size_t) vocabulary->size + 1) * sizeof(uint64_t), &bytes))
		return false;
	header->texts = bytes;
	return dl_size_add(bytes, texts, end);
}

DlStatus
dl_vocabulary_flat_bytes(const DlVocabulary *vocabulary, size_t *bytes, DlError *error)
{
	FlatHeader	header;

	if (!lay_out(vocabulary, &header, bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "vocabulary is too large");
	return DL_OK;
}

void
dl_vocabulary_flatten(const DlVocabulary *vocabulary, void *memory)
{
	FlatHeader *header = memory;
	uint64_t   *offsets;
	char	   *texts;
	size_t		end;
	uint64_t	used = 0;

	if (!lay_out(vocabulary, header, &end))
		return;
	offsets = (uint64_t *) ((char *) memory + header->offsets);
	texts = (char *) memory + header->texts;
	memcpy(header + 1, vocabulary->slots, vocabulary->slot_count * sizeof(Slot));
	for (int32_t code = 0; code < vocabulary->size; code++)
	{
		size_t		length;
		const char *text = text_at(vocabulary, code, &length);

		if (length > 0)
			memcpy(texts + used, text, length);
		offsets[code] = used;
		used += length;
	}
	offsets[vocabulary->size] = used;
}

DlStatus
dl_vocabulary_attach(DlArena *arena, const void *memory, DlVocabulary **result, DlError *error)
{
	const FlatHeader *header = memory;
	const char *base = memory;
	DlVocabulary *vocabulary;

	*result = NULL;
	DL_TRY(dl_arena_calloc(arena, 1, sizeof(*vocabulary), &vocabulary, error));
	vocabulary->arena = arena;
	vocabulary->slots = (Slot *) (uintptr_t) (header + 1);	/* never written to: no text is added */
	vocabulary->slot_count = (size_t) header->slot_count;
	vocabulary->size = (int32_t) header->size;
	vocabulary->offsets = (const uint64_t *) (base + header->offsets);
	vocabulary->texts = base + header->texts;
	*result = vocabulary;
	return DL_OK;
}
