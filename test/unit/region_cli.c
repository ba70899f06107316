/*-------------------------------------------------------------------------
 *
 * test/unit/region_cli.c
 *	  What the code says of regions, for sky_vectors_test.py.
 *
 * A line is an encoding in hexadecimal ("-": none), and longitudes and latitudes
 * in degrees of points; or "t", a blank, and a text.  The answer is a line: "ok"
 * and what is known, numbers in hexadecimal; or "refused" and why.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sky/shape.h"

static void
answer(const Shape *shape, const uint8_t *bytes, size_t n, const char *points)
{
	ShapeCircle circle = shape_bounding_circle(shape);
	Bounds3		bounds = shape_bounds(shape);
	double		area = -1;
	double		lon;
	double		lat;
	int			used;
	size_t		size = shape_encoded_size(shape);
	uint8_t    *encoded = malloc(size);
	char	   *text = malloc(shape_text_size(shape));

	if (!shape_area(shape, &area))
		area = -1;
	shape_encode(shape, encoded);
	printf("ok\t%d\t%d\t%a %a %a %a %a\t%a\t", bytes == NULL || (size == n && memcmp(encoded, bytes, n) == 0),
		   shape_is_empty(shape), circle.center.x, circle.center.y, circle.center.z,
		   circle.chord2, circle.angle * SKY_DEG_PER_RAD, area);
	for (int axis = 0; axis < 3; axis++)
		printf("%a %a ", bounds.low[axis], bounds.high[axis]);
	printf("\t");
	for (; sscanf(points, "%lf %lf%n", &lon, &lat, &used) == 2; points += used)
		printf("%d", shape_contains_point(shape, vec_from_degrees(lon, lat)));
	*shape_write(shape, true, text) = '\0';
	printf("\t%s\t", text);
	*shape_write(shape, false, text) = '\0';
	printf("%s\t", text);
	for (size_t i = 0; i < size; i++)
		printf("%02x", encoded[i]);
	printf("\n");
	free(text);
	free(encoded);
}

static void
read_text(const char *text)
{
	Shape	   *shape = malloc(SHAPE_PARSED_SIZE(strlen(text)));
	size_t		where;
	const char *problem = shape_parse(text, shape, &where);

	if (problem != NULL)
		printf("refused\t%s, at %zu\n", problem, where);
	else
		answer(shape, NULL, 0, "");
	free(shape);
}

static void
read_hex(const char *line)
{
	size_t		n = *line == '-' ? 0 : strcspn(line, " ") / 2;
	uint8_t    *bytes = malloc(n > 0 ? n : 1);
	Shape	   *shape = malloc(SHAPE_DECODED_SIZE(n));
	const char *problem;

	for (size_t i = 0; i < n; i++)
	{
		unsigned	byte = 0;

		if (sscanf(line + 2 * i, "%2x", &byte) != 1)
			exit(2);
		bytes[i] = (uint8_t) byte;
	}
	problem = shape_decode(bytes, n, false, shape);
	if (problem != NULL)
		printf("refused\t%s\n", problem);
	else
		answer(shape, bytes, n, line + strcspn(line, " "));
	free(shape);
	free(bytes);
}

int
main(void)
{
	char	   *line = NULL;
	size_t		capacity = 0;

	while (getline(&line, &capacity, stdin) > 0)
	{
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == 't')
			read_text(line + 2);
		else
			read_hex(line);
	}
	free(line);
	return 0;
}
