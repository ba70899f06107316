/*-------------------------------------------------------------------------
 *
 * src/sky/htm.c
 *	  Pixels of the Hierarchical Triangular Mesh.
 *
 * The sphere is eight triangles, the faces of an octahedron, and each triangle
 * four at the next level.  An id has a leading 1, three bits for the face and
 * two for each level (Kunszt, Szalay and Thakar 2001, as sphgeom numbers them).
 *
 *-------------------------------------------------------------------------
 */
#include "sky/htm.h"

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
