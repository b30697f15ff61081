/*
 * model_type.c
 *    The SQL type dl.model: text and binary form, casts, order, hashing.
 *
 * A value is the bytes of a model in a varlena, aligned as bytea is, so that
 * the cast to bytea costs nothing.  Every way in validates the bytes whole.
 *
 * The text is "dl.model 1, N bytes, base64 " and the base64 of the N bytes, so a
 * dump restores to the bit; 1 is the version of this form.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "common/base64.h"
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"

#include "format/safetensors.h"
#include "pg/compat.h"
#include "pg/model_cache.h"

#define TEXT_HEAD "dl.model 1, "
#define TEXT_MIDDLE " bytes, base64 "
#define MOST_DIGITS 10

/* Enough to hold the document of most models, which tells any two trainings apart. */
#define HASHED_BYTES 65536

PG_FUNCTION_INFO_V1(dl_sql_model_in);
PG_FUNCTION_INFO_V1(dl_sql_model_out);
PG_FUNCTION_INFO_V1(dl_sql_model_recv);
PG_FUNCTION_INFO_V1(dl_sql_model_send);
PG_FUNCTION_INFO_V1(dl_sql_model_from_bytea);
PG_FUNCTION_INFO_V1(dl_sql_model_eq);
PG_FUNCTION_INFO_V1(dl_sql_model_ne);
PG_FUNCTION_INFO_V1(dl_sql_model_cmp);
PG_FUNCTION_INFO_V1(dl_sql_model_lt);
PG_FUNCTION_INFO_V1(dl_sql_model_le);
PG_FUNCTION_INFO_V1(dl_sql_model_ge);
PG_FUNCTION_INFO_V1(dl_sql_model_gt);
PG_FUNCTION_INFO_V1(dl_sql_model_hash);
PG_FUNCTION_INFO_V1(dl_sql_model_hash_extended);

static void
check_length(Size length)
{
	if (length > DL_SAFETENSORS_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a value of type dl.model has at most %zu bytes, got %zu", DL_SAFETENSORS_MAX_BYTES, length)));
}

static void bad_text(const char *detail) pg_attribute_noreturn();

static void
bad_text(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s", "dl.model"),
			 errdetail_internal("%s", detail),
			 errhint("Bytes of a model are cast: '\\x...'::bytea::dl.model.")));
}

/* The number N of the head; *rest becomes the beginning of the base64. */
static Size
parse_head(const char *text, const char **rest)
{
	const char *digit = text + strlen(TEXT_HEAD);
	Size		length = 0;
	int			digits = 0;

	if (strncmp(text, TEXT_HEAD, strlen(TEXT_HEAD)) != 0)
		bad_text("The text does not begin with \"" TEXT_HEAD "\".");
	while (digits < MOST_DIGITS && digit[digits] >= '0' && digit[digits] <= '9')
		length = length * 10 + (digit[digits++] - '0');
	if (digits == 0 || digit[0] == '0')
		bad_text("The number of bytes is missing.");
	if (strncmp(digit + digits, TEXT_MIDDLE, strlen(TEXT_MIDDLE)) != 0)
		bad_text("After the number of bytes there is no \"" TEXT_MIDDLE "\".");
	*rest = digit + digits + strlen(TEXT_MIDDLE);
	return length;
}

Datum
dl_sql_model_in(PG_FUNCTION_ARGS)
{
	const char *base64;
	Size		length = parse_head(PG_GETARG_CSTRING(0), &base64);
	Size		characters = strlen(base64);
	bytea	   *result;

	check_length(length);
	if (characters != (length + 2) / 3 * 4)
		bad_text(psprintf("%zu bytes are %zu characters in base64, got %zu.",
						  length, (length + 2) / 3 * 4, characters));

	/* The decoder skips white space: with the right number of characters, fewer bytes tell. */
	result = palloc(VARHDRSZ + length);
	if (pg_b64_decode(base64, (int) characters, (void *) VARDATA(result), (int) length) != (int) length)
		bad_text("The base64 is damaged.");
	SET_VARSIZE(result, VARHDRSZ + length);
	dl_model_validate(VARDATA(result), length);
	PG_RETURN_BYTEA_P(result);
}

Datum
dl_sql_model_out(PG_FUNCTION_ARGS)
{
	bytea	   *model = PG_GETARG_BYTEA_PP(0);
	Size		length = VARSIZE_ANY_EXHDR(model);
	char	   *head = psprintf(TEXT_HEAD "%zu" TEXT_MIDDLE, length);
	Size		head_length = strlen(head);
	int			room = pg_b64_enc_len((int) length);
	char	   *result = palloc(head_length + room + 1);
	int			written;

	memcpy(result, head, head_length);
	written = pg_b64_encode((const void *) VARDATA_ANY(model), (int) length, result + head_length, room);
	if (written < 0)
		elog(ERROR, "base64 of %zu bytes does not fit %d characters", length, room);
	result[head_length + written] = '\0';
	PG_RETURN_CSTRING(result);
}

Datum
dl_sql_model_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	Size		length = message->len - message->cursor;
	bytea	   *result;

	check_length(length);
	result = palloc(VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	pq_copymsgbytes(message, VARDATA(result), (int) length);
	dl_model_validate(VARDATA(result), length);
	PG_RETURN_BYTEA_P(result);
}

Datum
dl_sql_model_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(0));
}

Datum
dl_sql_model_from_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *bytes;

	check_length(toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ);
	bytes = PG_GETARG_BYTEA_PP(0);
	dl_model_validate(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	PG_RETURN_BYTEA_P(bytes);
}

/*
 * The shorter comes first, then by bytes.  Neither is read where the lengths
 * differ, or where both are one value that is stored out of line.
 */
static int
compare(FunctionCallInfo fcinfo)
{
	struct varlena *raw_a = (struct varlena *) PG_GETARG_POINTER(0);
	struct varlena *raw_b = (struct varlena *) PG_GETARG_POINTER(1);
	Size		length_a = toast_raw_datum_size(PointerGetDatum(raw_a));
	Size		length_b = toast_raw_datum_size(PointerGetDatum(raw_b));
	bytea	   *a;
	bytea	   *b;
	int			result;

	if (length_a != length_b)
		return length_a < length_b ? -1 : 1;
	if (VARATT_IS_EXTERNAL_ONDISK(raw_a) && VARATT_IS_EXTERNAL_ONDISK(raw_b) &&
		memcmp(raw_a, raw_b, VARSIZE_EXTERNAL(raw_a)) == 0)
		return 0;

	a = PG_GETARG_BYTEA_PP(0);
	b = PG_GETARG_BYTEA_PP(1);
	result = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a));
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

Datum
dl_sql_model_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

Datum
dl_sql_model_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

Datum
dl_sql_model_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
dl_sql_model_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
dl_sql_model_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
dl_sql_model_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

Datum
dl_sql_model_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

/* The beginning of the bytes; the rest of a value that is stored out of line stays unread. */
static bytea *
hashed_slice(FunctionCallInfo fcinfo)
{
	return PG_GETARG_BYTEA_P_SLICE(0, 0, HASHED_BYTES);
}

Datum
dl_sql_model_hash(PG_FUNCTION_ARGS)
{
	bytea	   *slice = hashed_slice(fcinfo);
	Datum		result = hash_any((unsigned char *) VARDATA(slice), (int) VARSIZE(slice) - VARHDRSZ);

	pfree(slice);
	PG_RETURN_DATUM(result);
}

Datum
dl_sql_model_hash_extended(PG_FUNCTION_ARGS)
{
	bytea	   *slice = hashed_slice(fcinfo);
	Datum		result = hash_any_extended((unsigned char *) VARDATA(slice), (int) VARSIZE(slice) - VARHDRSZ,
										   PG_GETARG_INT64(1));

	pfree(slice);
	PG_RETURN_DATUM(result);
}
