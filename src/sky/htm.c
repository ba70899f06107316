/*-------------------------------------------------------------------------
 *
 * src/sky/htm.c
 *	  Pixels of the Hierarchical Triangular Mesh: their vertices, those that a
 *	  shape touches, that of a point.
 *
 * The sphere is eight triangles, the faces of an octahedron, and each triangle
 * four at the next level.  An id has a leading 1, three bits for the face and
 * two for each level (Kunszt, Szalay and Thakar 2001, as sphgeom numbers them).
 *
 * A Butler client stores for each region the pixels that sphgeom's
 * HtmPixelization::envelope() finds, and looks for regions by them; so these
 * are the same, one that sphgeom takes only to be on the safe side included.
 * What decides that, the division of a triangle and its relation to a shape, is
 * computed as sphgeom does (HtmPixelization.cc, PixelFinder.h).
 *
 *-------------------------------------------------------------------------
 */
#include "sky/htm.h"

#include <string.h>

/* sphgeom's constants.h */
#define MAX_ASIN_ERROR 1.5e-8

typedef struct Search
{
	const Shape *shape;
	ShapeCircle circle;			/* of a circle, or around an ellipse */
	int			level;
	const HtmHost *host;
	HtmPixels  *pixels;
} Search;

/* ----------------------------------------------------------------- pixels */

/*
 * Adds a range that does not begin before the last one ends.
 */
static void
add_range(HtmPixels *pixels, const HtmHost *host, uint64_t begin, uint64_t end)
{
	if (pixels->n > 0 && pixels->ranges[pixels->n - 1].end == begin)
	{
		pixels->ranges[pixels->n - 1].end = end;
		return;
	}
	if (pixels->n == pixels->room)
	{
		pixels->room = pixels->room == 0 ? 16 : 2 * pixels->room;
		pixels->ranges = host->resize(pixels->ranges, sizeof(HtmRange) * pixels->room);
	}
	pixels->ranges[pixels->n].begin = begin;
	pixels->ranges[pixels->n++].end = end;
}

static void
release(HtmPixels *pixels, const HtmHost *host)
{
	if (pixels->ranges != NULL)
		host->release(pixels->ranges);
	memset(pixels, 0, sizeof(HtmPixels));
}

/*
 * Adds what is in either, or in both, of two sets to an empty one.
 */
static void
combine(const HtmPixels *a, const HtmPixels *b, bool both, const HtmHost *host, HtmPixels *result)
{
	size_t		i = 0;
	size_t		j = 0;
	uint64_t	done = 0;		/* nothing from here on is in the result */

	while (i < a->n || j < b->n)
	{
		bool		a_first = j == b->n || (i < a->n && a->ranges[i].end <= b->ranges[j].end);
		HtmRange	first = a_first ? a->ranges[i] : b->ranges[j];
		const HtmRange *other = a_first ? (j < b->n ? &b->ranges[j] : NULL) : (i < a->n ? &a->ranges[i] : NULL);

		/* of two ranges the one that ends first; the other one's rest comes later */
		if (both)
		{
			if (other == NULL)
				return;
			if (other->begin > first.begin)
				first.begin = other->begin;
		}
		else
		{
			if (other != NULL && other->begin < first.begin)
				first.begin = other->begin;
			if (first.begin < done)
				first.begin = done;
		}
		if (first.begin < first.end)
		{
			add_range(result, host, first.begin, first.end);
			done = first.end;
		}
		if (a_first)
			i++;
		else
			j++;
	}
}

/* --------------------------------------------------------------- triangles */

/* South first; counterclockwise, seen from outside; signs of zeros as in sphgeom. */
static const Vec faces[8][3] = {
	{{1, 0, 0}, {-0.0, -0.0, -1}, {0, 1, 0}},
	{{0, 1, 0}, {-0.0, -0.0, -1}, {-1, -0.0, -0.0}},
	{{-1, -0.0, -0.0}, {-0.0, -0.0, -1}, {-0.0, -1, -0.0}},
	{{-0.0, -1, -0.0}, {-0.0, -0.0, -1}, {1, 0, 0}},
	{{1, 0, 0}, {0, 0, 1}, {-0.0, -1, -0.0}},
	{{-0.0, -1, -0.0}, {0, 0, 1}, {-1, -0.0, -0.0}},
	{{-1, -0.0, -0.0}, {0, 0, 1}, {0, 1, 0}},
	{{0, 1, 0}, {0, 0, 1}, {1, 0, 0}}
};

static Vec
middle(Vec a, Vec b)
{
	Vec			v = vec_add(a, b);

	vec_normalize(&v);
	return v;
}

/*
 * The vertices of a pixel.  False: there is none of this id at the level.
 */
bool
htm_triangle(int level, int64_t id, Vec vertices[3])
{
	if (level < 0 || level > HTM_MAX_LEVEL || id >> (2 * level + 3) != 1)
		return false;
	for (int i = 0; i < 3; i++)
		vertices[i] = faces[(id >> (2 * level)) & 7][i];
	for (int shift = 2 * level - 2; shift >= 0; shift -= 2)
	{
		int			child = (id >> shift) & 3;
		Vec			opposite[3];

		for (int i = 0; i < 3; i++)
			opposite[i] = middle(vertices[(i + 1) % 3], vertices[(i + 2) % 3]);
		for (int i = 0; child == 3 && i < 3; i++)
			vertices[i] = opposite[i];
		if (child < 3)
		{
			vertices[0] = vertices[child];
			vertices[1] = opposite[(child + 2) % 3];
			vertices[2] = opposite[(child + 1) % 3];
		}
	}
	return true;
}

static void
set_triangle(Vec *triangle, Vec a, Vec b, Vec c)
{
	triangle[0] = a;
	triangle[1] = b;
	triangle[2] = c;
}

static HtmRelation
relate(const Search *search, const Vec *triangle)
{
	switch (search->shape->kind)
	{
		case SHAPE_BOX:
			return htm_relate_box(triangle, shape_box(search->shape));
		case SHAPE_CONVEX:
			return htm_relate_convex(triangle, shape_vertices(search->shape), search->shape->n);
		default:
			return htm_relate_circle(triangle, &search->circle);
	}
}

/*
 * Adds the pixels within a triangle that is found at a level by an index.
 */
static void
visit(const Search *search, const Vec *triangle, uint64_t index, int level)
{
	HtmRelation relation = relate(search, triangle);
	int			shift = 2 * (search->level - level);
	Vec			middles[3];
	Vec			quarter[3];

	if (relation == HTM_DISJOINT)
		return;
	if (relation == HTM_WITHIN || level == search->level)
	{
		add_range(search->pixels, search->host, index << shift, (index + 1) << shift);
		return;
	}
	search->host->pause();
	index *= 4;
	level++;
	for (int i = 0; i < 3; i++)
		middles[i] = middle(triangle[(i + 1) % 3], triangle[(i + 2) % 3]);
	for (int i = 0; i < 3; i++)
	{
		set_triangle(quarter, triangle[i], middles[(i + 2) % 3], middles[(i + 1) % 3]);
		visit(search, quarter, index + i, level);
	}
	visit(search, middles, index + 3, level);
}

/* sphgeom, Ellipse::getBoundingCircle(), of the empty and the full one, too */
static ShapeCircle
circle_around(const ShapeEllipse *e)
{
	double		angle = fmax(0.5 * SKY_PI + e->a, 0.5 * SKY_PI + e->b) + 2.0 * MAX_ASIN_ERROR;
	ShapeCircle circle = {e->rows[2], shape_chord2_of_angle(angle), angle};

	return circle;
}

static void
search_shape(const Shape *shape, int level, const HtmHost *host, HtmPixels *pixels)
{
	Search		search = {shape, {{0, 0, 0}, 0, 0}, level, host, pixels};

	if (shape->kind == SHAPE_CIRCLE)
		search.circle = *shape_circle(shape);
	else if (shape->kind == SHAPE_ELLIPSE)
		search.circle = circle_around(shape_ellipse(shape));
	for (int face = 0; face < 8; face++)
		visit(&search, faces[face], 8 + face, 0);
}

/*
 * Of an intersection the pixels are those that each of its operands has.
 */
static bool
search_operands(const Shape *shape, int level, const HtmHost *host, HtmPixels *pixels)
{
	bool		both = shape->kind == SHAPE_INTERSECTION;
	const Shape *operand = shape_operands(shape);

	if (both)
		add_range(pixels, host, UINT64_C(8) << 2 * level, UINT64_C(16) << 2 * level);
	for (uint32_t i = 0; i < shape->n; i++, operand = shape_next(operand))
	{
		HtmPixels	before = *pixels;
		HtmPixels	other = {NULL, 0, 0};

		if (!htm_envelope(operand, level, host, &other))
			return false;
		memset(pixels, 0, sizeof(HtmPixels));
		combine(&before, &other, both, host, pixels);
		release(&before, host);
		release(&other, host);
	}
	return true;
}

/*
 * Adds the pixels that a shape touches, at a level from 0 to HTM_MAX_LEVEL, to
 * an empty set (sphgeom, HtmPixelization::envelope()).  false: it is a shape, or
 * holds one, that sphgeom does not have; what is in the set then is undefined.
 */
bool
htm_envelope(const Shape *shape, int level, const HtmHost *host, HtmPixels *pixels)
{
	switch (shape->kind)
	{
		case SHAPE_CIRCLE:
		case SHAPE_BOX:
		case SHAPE_ELLIPSE:
		case SHAPE_CONVEX:
			search_shape(shape, level, host, pixels);
			return true;
		case SHAPE_UNION:
		case SHAPE_INTERSECTION:
			return search_operands(shape, level, host, pixels);
		default:
			return false;
	}
}

/*
 * The face of a direction; one on an edge belongs to where sphgeom has it
 * (HtmPixelization::index()).
 */
static int
face_of(Vec v)
{
	if (v.z < 0)
	{
		if (v.y > 0)
			return v.x > 0 ? 0 : 1;
		if (v.y == 0)
			return v.x >= 0 ? 0 : 2;
		return v.x < 0 ? 2 : 3;
	}
	if (v.y > 0)
		return v.x > 0 ? 7 : 6;
	if (v.y == 0)
		return v.x >= 0 ? 7 : 5;
	return v.x < 0 ? 5 : 4;
}

/*
 * The pixel of a direction, at a level from 0 to HTM_MAX_LEVEL.
 */
uint64_t
htm_index(Vec point, int level)
{
	int			face = face_of(point);
	uint64_t	index = 8 + face;
	Vec			t[3];

	set_triangle(t, faces[face][0], faces[face][1], faces[face][2]);
	for (int i = 0; i < level; i++)
	{
		Vec			m12 = middle(t[1], t[2]);
		Vec			m20 = middle(t[2], t[0]);
		Vec			m01 = middle(t[0], t[1]);

		index *= 4;
		if (vec_orientation(point, m01, m20) >= 0)
			set_triangle(t, t[0], m01, m20);
		else if (vec_orientation(point, m12, m01) >= 0)
		{
			set_triangle(t, t[1], m12, m01);
			index += 1;
		}
		else if (vec_orientation(point, m20, m12) >= 0)
		{
			set_triangle(t, t[2], m20, m12);
			index += 2;
		}
		else
		{
			set_triangle(t, m12, m20, m01);
			index += 3;
		}
	}
	return index;
}
