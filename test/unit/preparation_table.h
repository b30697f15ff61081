/*
 * preparation_table.h
 *    A small table that the tests of preparations fill by hand.
 */
#ifndef DL_TEST_PREPARATION_TABLE_H
#define DL_TEST_PREPARATION_TABLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/preparation.h"

#define MOST_COLUMNS 8
#define MOST_WORDS 32			/* of a record */

/* A table under construction. */
typedef struct Table
{
	DlArena    *arena;
	DlColumn	columns[MOST_COLUMNS];
	int32_t		column_count;
	DlRecordLayout layout;
	DlDataset  *dataset;
	uint32_t   *rows;
	int64_t		row_count;
	DlPreparation preparation;
	DlPreparationSettings settings;
	DlError		error;
	char		notices[1000];
} Table;

static inline void
table_begin(Table *table)
{
	memset(table, 0, sizeof(*table));
	dl_arena_create(0, &table->arena, NULL);
	table->settings = (DlPreparationSettings) {DL_SCALING_STANDARD, 8, 0, 1, 0};
}

static inline void
table_column(Table *table, const char *name, DlColumnKind kind, int32_t words, const char *levels)
{
	DlColumn   *column = &table->columns[table->column_count++];

	column->name = name;
	column->kind = kind;
	column->words = words;
	column->first_word = table->layout.feature_words;
	if (dl_column_kind_codes(kind) > 0)
	{
		dl_vocabulary_create(table->arena, &column->vocabulary, NULL);
		for (; *levels != '\0'; levels++)
		{
			int32_t		code;

			dl_vocabulary_add(column->vocabulary, levels, 1, &code, NULL);
		}
	}
	dl_record_layout(1, table->layout.feature_words + words, &table->layout);
}

/* values [count, feature words]; words of categories are codes. */
static inline void
table_rows(Table *table, const double *values, int64_t count)
{
	uint32_t	record[MOST_WORDS] = {0};

	dl_dataset_create(table->layout.words, (size_t) 256 << 20, NULL, &table->dataset, NULL);
	table->rows = malloc((size_t) count * sizeof(uint32_t));
	for (int64_t i = 0; i < count; i++)
	{
		for (int32_t c = 0; c < table->column_count; c++)
		{
			const DlColumn *column = &table->columns[c];

			for (int32_t w = column->first_word; w < column->first_word + column->words; w++)
			{
				double		value = values[i * table->layout.feature_words + w];
				float		number = (float) value;

				if (w < column->first_word + dl_column_kind_codes(column->kind))
					record[table->layout.feature_word + w] = (uint32_t) (int32_t) value;
				else
					memcpy(&record[table->layout.feature_word + w], &number, sizeof(float));
			}
		}
		dl_dataset_append(table->dataset, record, 1, NULL);
		table->rows[i] = (uint32_t) i;
	}
	dl_dataset_finish(table->dataset, NULL);
	table->row_count = count;
}

static inline void
take_notice(void *context, DlPreparationNoticeKind kind, const char *column, int64_t count)
{
	Table	   *table = context;
	size_t		length = strlen(table->notices);

	snprintf(table->notices + length, sizeof(table->notices) - length, "%s %s %d;", column,
			 kind == DL_NOTICE_CONSTANT ? "constant" : "levels", (int) count);
}

static inline DlStatus
table_fit(Table *table)
{
	table->notices[0] = '\0';
	return dl_preparation_fit(table->arena, table->columns, table->column_count, &table->layout, table->dataset,
							  table->rows, table->row_count, &table->settings, 1, take_notice, table, NULL,
							  &table->preparation, &table->error);
}

static inline void
table_end(Table *table)
{
	dl_dataset_destroy(table->dataset);
	dl_arena_destroy(table->arena);
	free(table->rows);
}

static inline void
table_apply(Table *table, int64_t row, float *numbers, int32_t *codes)
{
	dl_preparation_apply(&table->preparation, 1, dl_dataset_record(table->dataset, row) + table->layout.feature_word,
						 table->layout.words, numbers, codes);
}

#endif							/* DL_TEST_PREPARATION_TABLE_H */
