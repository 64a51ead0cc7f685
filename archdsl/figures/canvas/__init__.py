"""Where figures are drawn: shapes, fonts, themes, and the formats that they are written in."""
